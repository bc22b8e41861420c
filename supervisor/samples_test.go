package supervisor

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSamplePause(t *testing.T) {
	for _, test := range []struct {
		phase Phase
		since time.Duration
		want  time.Duration
	}{
		{Starting, 0, time.Second},
		{Soaking, time.Hour, time.Second},
		{Dismissing, time.Hour, time.Second},
		{Draining, 0, time.Second},
		{Draining, time.Minute - 1, time.Second},
		{Draining, time.Minute, 10 * time.Second},
		{Draining, 10*time.Minute - 1, 10 * time.Second},
		{Draining, 10 * time.Minute, time.Minute},
		{Draining, 48 * time.Hour, time.Minute},
	} {
		if got := samplePause(test.phase, test.since); got != test.want {
			t.Errorf("%s since %v: %v, not %v", test.phase, test.since, got, test.want)
		}
	}
}

func TestThin(t *testing.T) {
	for n, want := range map[int][]int{0: nil, 1: {0}, 2: {0}, 3: {0, 2}, 4: {0, 2}, 7: {0, 2, 4, 6}} {
		var samples []Sample
		for i := range n {
			samples = append(samples, Sample{OldConnections: i})
		}
		var got []int
		for _, s := range thin(samples) {
			got = append(got, s.OldConnections)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d: %s", n, diff)
		}
	}
}

// sampled runs a sampler through the phases and returns what it wrote last and
// when it looked, as the time since its start.
func sampled(t *testing.T, past []Sample, cost time.Duration, phases []StepRecord) (kept []Sample, looks []time.Duration, saves int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		phase := make(chan Phase, 1)
		phase <- phases[0].Phase
		current := phases[0].Phase
		look := func() (Sample, Phase) {
			select {
			case current = <-phase:
			default:
			}
			looks = append(looks, time.Since(began))
			time.Sleep(cost)
			return Sample{At: time.Now()}, current
		}
		s := startSampler(t.Context(), past, look, func(all []Sample) {
			saves++
			kept = slices.Clone(all)
		})
		for i, p := range phases {
			if i > 0 {
				phase <- p.Phase
				s.phase()
			}
			time.Sleep(time.Duration(p.DurationMS) * time.Millisecond)
			synctest.Wait()
		}
		s.end()
		s.end() // of the cycle's close
		synctest.Wait()
	})
	return kept, looks, saves
}

func milliseconds(n ...int) (d []time.Duration) {
	for _, ms := range n {
		d = append(d, time.Duration(ms)*time.Millisecond)
	}
	return d
}

func TestSamplerPaces(t *testing.T) {
	kept, looks, saves := sampled(t, nil, 0, []StepRecord{{Phase: Starting, DurationMS: 20}, {Phase: Shifting, DurationMS: 30},
		{Phase: Soaking, DurationMS: 2500}, {Phase: Retiring, DurationMS: 10}})
	// Each phase at its beginning, however short, and then each second.
	if diff := cmp.Diff(milliseconds(0, 20, 50, 1050, 2050, 2550), looks); diff != "" {
		t.Error(diff)
	}
	if len(kept) != len(looks) || saves != 5 {
		t.Errorf("%d samples in %d files of %d looks", len(kept), saves, len(looks))
	}
}

func TestSamplerSlowsDown(t *testing.T) {
	_, looks, saves := sampled(t, nil, 0, []StepRecord{{Phase: Draining, DurationMS: (15*time.Minute + 500*time.Millisecond).Milliseconds()}})
	if want := 60 + 54 + 6; len(looks) != want {
		t.Errorf("%d looks in a quarter of an hour, not %d", len(looks), want)
	}
	// Two in the first minute, then what comes each 30 s, then each minute.
	if want := 2 + 18 + 6 + 1; saves != want {
		t.Errorf("%d files were written, not %d", saves, want)
	}
}

// TestSamplerIsBounded lets an hour of soaking pass: 3600 seconds, 600 samples.
func TestSamplerIsBounded(t *testing.T) {
	kept, _, _ := sampled(t, nil, 0, []StepRecord{{Phase: Soaking, DurationMS: time.Hour.Milliseconds()}})
	if len(kept) > maxSamples || len(kept) < maxSamples/2 {
		t.Errorf("%d samples", len(kept))
	}
	const distance = 8 * time.Second
	for i, s := range kept[1:] {
		if d := s.At.Sub(kept[i].At); d != distance {
			t.Fatalf("sample %d comes %v after the one before, not %v", i+1, d, distance)
		}
	}
}

func TestSamplerIsCheapWhereLookingIsNot(t *testing.T) {
	_, looks, _ := sampled(t, nil, 50*time.Millisecond, []StepRecord{{Phase: Soaking, DurationMS: 25000}})
	if diff := cmp.Diff(milliseconds(0, 10050, 20100), looks); diff != "" {
		t.Error(diff)
	}
}

func TestSamplerGoesOn(t *testing.T) {
	past := []Sample{{OldConnections: 7}}
	kept, _, _ := sampled(t, past, 0, []StepRecord{{Phase: Draining, DurationMS: 100}})
	if len(kept) != 2 || kept[0].OldConnections != 7 {
		t.Errorf("%+v", kept)
	}
}

func TestNoSamplerEnds(*testing.T) {
	var s *sampler
	s.end() // of a cycle that was refused
}
