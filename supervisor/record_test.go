package supervisor

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// fullRecord has a value in every field.
func fullRecord(at time.Time) *Record {
	finished := at.Add(time.Minute)
	return &Record{
		Version: recordVersion, ID: newID(at), Boot: "b", Instance: "nginx", Unit: "nginx.service", Origin: OriginCLI,
		Phase: Retiring, Result: Upgraded, Reason: "because", Started: at, Finished: &finished,
		Old: Generation{PID: 1, Start: 2, Version: "1.22.1", SHA256: "aa", Workers: []nginx.ID{{PID: 3, Start: 4}},
			Listeners: []nginx.Listener{{Network: "tcp", Address: "127.0.0.1:80"}}},
		Successor: Generation{PID: 5, Start: 6, Version: "1.22.9", SHA256: "bb", Workers: []nginx.ID{{PID: 7, Start: 8}}},
		Steps:     []StepRecord{{Phase: Verifying, Started: at, DurationMS: 9}},
	}
}

var someTime = time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)

func TestRecordRoundTrip(t *testing.T) {
	want := fullRecord(someTime)
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseRecord(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseRecordRefuses(t *testing.T) {
	whole, err := json.Marshal(fullRecord(someTime))
	if err != nil {
		t.Fatal(err)
	}
	with := func(field string, value any) string {
		var all map[string]any
		if err := json.Unmarshal(whole, &all); err != nil {
			t.Fatal(err)
		}
		all[field] = value
		data, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for name, tt := range map[string]struct{ data, says string }{
		"empty":            {"", "cannot read the record"},
		"truncated":        {string(whole[:len(whole)/2]), "cannot read the record"},
		"last byte":        {string(whole[:len(whole)-1]), "cannot read the record"},
		"more behind it":   {string(whole) + "{}", "cannot read the record"},
		"null":             {"null", "version 0"},
		"an array":         {"[]", "cannot read the record"},
		"NUL bytes":        {strings.Repeat("\x00", 512), "cannot read the record"},
		"no version":       {with("version", nil), "version 0"},
		"newer version":    {with("version", recordVersion+1), "version 2, this program knows version 1"},
		"version as text":  {with("version", "1"), "cannot read the record"},
		"no id":            {with("id", ""), "no valid id"},
		"id with a path":   {with("id", "../../../../../etc/cron.d"), "no valid id"},
		"id as a path":     {with("id", "/etc/passwd/aaaaaaaaaaaaa"), "no valid id"},
		"id with NUL":      {with("id", "20260301T120000.123-ab\x00de"), "no valid id"},
		"id too long":      {with("id", "20260301T120000.123-abcdef"), "no valid id"},
		"pid out of range": {with("old", map[string]any{"pid": 1e30}), "cannot read the record"},
		"time":             {with("started", "yesterday"), "cannot read the record"},
	} {
		if got, err := ParseRecord([]byte(tt.data)); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %+v, error %v, want %q", name, got, err, tt.says)
		}
	}
}

func FuzzRecord(f *testing.F) {
	whole, err := json.Marshal(fullRecord(someTime))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte(`{"version":1,"id":"20260301T120000.123-abcde","old":{"workers":[null]},"steps":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseRecord(data)
		if err != nil {
			return
		}
		if filepath.Base(r.ID+".json") != r.ID+".json" {
			t.Errorf("id %q is no name for a file", r.ID)
		}
		// Compared as it is written: a list without entries and none are one.
		written := marshal(t, r)
		same, err := ParseRecord(written)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(written), string(marshal(t, same))); diff != "" {
			t.Error(diff)
		}
		r.enter(Soaking, someTime)
		r.finish(Upgraded, "", someTime)
	})
}

func marshal(t *testing.T, r *Record) []byte {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestNewIDSortsByTime(t *testing.T) {
	times := []time.Time{
		someTime, someTime.Add(time.Millisecond), someTime.Add(10 * time.Millisecond), someTime.Add(time.Second),
		someTime.Add(time.Hour).In(time.FixedZone("", -11*3600)), someTime.Add(2 * time.Hour).In(time.FixedZone("", 11*3600)),
		someTime.AddDate(0, 0, 1), someTime.AddDate(0, 10, 0), someTime.AddDate(1, 0, 0),
	}
	var ids []string
	for _, at := range times {
		id := newID(at)
		if !validID(id) {
			t.Errorf("%q is not valid", id)
		}
		ids = append(ids, id)
	}
	if !slices.IsSorted(ids) {
		t.Errorf("not sorted: %q", ids)
	}
	if a, b := newID(someTime), newID(someTime); a == b {
		t.Errorf("two of one moment are equal: %s", a)
	}
}

// TestRecordSteps checks that a phase ends where the next one begins and the
// last one with the record.
func TestRecordSteps(t *testing.T) {
	var r Record
	at := func(ms int) time.Time { return someTime.Add(time.Duration(ms) * time.Millisecond) }
	r.enter(Verifying, at(0))
	r.enter(Keeping, at(30))
	r.enter(Starting, at(35))
	r.finish(RolledBack, "why", at(100))
	want := []StepRecord{{Verifying, at(0), 30}, {Keeping, at(30), 5}, {Starting, at(35), 65}}
	if diff := cmp.Diff(want, r.Steps); diff != "" {
		t.Error(diff)
	}
	if r.Phase != Starting || r.Result != RolledBack || r.Reason != "why" || r.Finished == nil || !r.Finished.Equal(at(100)) {
		t.Errorf("got %+v", r)
	}
}
