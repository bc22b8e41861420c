package supervisor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func someSamples(n int) (samples []Sample) {
	for i := range n {
		samples = append(samples, Sample{At: someTime.Add(time.Duration(i) * time.Second), OldWorkers: 2, OldConnections: 100 - i,
			SuccessorWorkers: 2, SuccessorConnections: i, Probes: []ProbeSample{{someTime, "http://127.0.0.1/", true, 345}}})
	}
	return samples
}

func TestSamplesFollowTheirRecord(t *testing.T) {
	s := tempStore(t)
	r, want := fullRecord(someTime), someSamples(3)
	if err := s.saveSamples(r.Instance, r.ID, want); err != nil {
		t.Fatal(err)
	}
	got, err := s.runningSamples(r)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("while it runs: %v %s", err, diff)
	}
	if err := s.Close(r, 1); err != nil {
		t.Fatal(err)
	}
	got, err = s.Samples(r.ID)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("afterwards: %v %s", err, diff)
	}
	if got, err := s.runningSamples(r); got != nil || err != nil {
		t.Errorf("they are left where the next cycle has its own: %v, %v", got, err)
	}
	if ids := historyIDs(t, s); len(ids) != 1 {
		t.Errorf("records: %v", ids)
	}
	later := fullRecord(someTime.Add(time.Hour))
	if err := s.Close(later, 1); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Samples(r.ID); got != nil || err != nil {
		t.Errorf("they outlive the record: %v, %v", got, err)
	}
	if got, err := s.Samples(later.ID); got != nil || err != nil {
		t.Errorf("another cycle has some: %v, %v", got, err)
	}
}

// TestSamplesOfAnotherCycle are those that a cycle left behind which came to no
// end.
func TestSamplesOfAnotherCycle(t *testing.T) {
	s := tempStore(t)
	r := fullRecord(someTime)
	if err := s.saveSamples(r.Instance, newID(someTime.Add(-time.Hour)), someSamples(3)); err != nil {
		t.Fatal(err)
	}
	if got, err := s.runningSamples(r); got != nil || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

func TestSamplesUnreadable(t *testing.T) {
	s := tempStore(t)
	id := fullRecord(someTime).ID
	if _, err := s.Samples("../instance/nginx"); err == nil || !strings.Contains(err.Error(), "is not the id of a cycle") {
		t.Errorf("a path: %v", err)
	}
	path := s.keptSamples(id)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{"", "{", `{"id":1}`, `[]`} {
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Samples(id); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v, %v", data, got, err)
		}
	}
}

func TestSamplesInOrder(t *testing.T) {
	samples := someSamples(5)
	samples[2].At = samples[0].At.Add(-time.Hour)
	samples[4].At = samples[3].At
	var got []int
	for _, s := range inOrder(samples) {
		got = append(got, s.SuccessorConnections)
	}
	if diff := cmp.Diff([]int{0, 1, 3}, got); diff != "" {
		t.Error(diff)
	}
}

// TestSamplesNeverFailACycle closes a record where no samples can be written.
func TestSamplesNeverFailACycle(t *testing.T) {
	s := tempStore(t)
	r := fullRecord(someTime)
	if err := s.saveSamples(r.Instance, r.ID, someSamples(3)); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(s.State, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.State, "samples"), nil, 0o600); err != nil { // in the directory's place
		t.Fatal(err)
	}
	if err := s.Close(r, 10); err != nil {
		t.Error(err)
	}
	if got, err := s.Record(r.ID); err != nil || got.ID != r.ID {
		t.Errorf("%+v, %v", got, err)
	}
}
