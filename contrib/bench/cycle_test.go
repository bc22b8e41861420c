package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/bench/floor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

func TestTakeApart(t *testing.T) {
	end := at(480)
	rec := &supervisor.Record{Finished: &end}
	for i, phase := range []supervisor.Phase{supervisor.Verifying, supervisor.Keeping, supervisor.Starting, supervisor.Shifting,
		supervisor.Soaking, supervisor.Draining, supervisor.Retiring} {
		ms := []int{306, 336, 340, 365, 370, 372, 373}[i]
		rec.Steps = append(rec.Steps, supervisor.StepRecord{Phase: phase, Started: at(ms)})
	}
	entries := map[string]told{
		"accepted": {at(335), 25 * time.Millisecond},
		"started":  {at(364), 21 * time.Millisecond}, // so USR2 was at 343
	}
	account := &floor.Account{Gone: at(377)}
	got, err := takeApart(rec, entries, noon, account)
	if err != nil {
		t.Fatal(err)
	}
	want := cycleRun{LastWriteToUSR2: 343, Look: 6, PreFlight: 30, Test: 25, Vault: 4, Prepare: 3,
		Ready: 21, Shifted: 27, Verdict: 29, Drained: 30, Gone: 34, Finished: 137}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.toUSR2() != 43 {
		t.Errorf("%v beside SettleSec=", got.toUSR2())
	}
	rec.Finished = nil
	if _, err := takeApart(rec, entries, noon, account); err == nil || !strings.Contains(err.Error(), "no end") {
		t.Errorf("error %v", err)
	}
	if _, err := takeApart(rec, nil, noon, account); err == nil {
		t.Error("without entries")
	}
}

func TestCycleSection(t *testing.T) {
	cost := cycleCost{Load: load{2, 100}, Runs: []cycleRun{
		{LastWriteToUSR2: 343, PreFlight: 30, Test: 25, Gone: 12, FloorGone: 10},
		{LastWriteToUSR2: 353, PreFlight: 31, Test: 25, Gone: 13, FloorGone: 10},
	}}
	s := cycleSection([]cycleCost{cost})
	want := []goal{
		{"USR2 to the end of the old master, of the floor's, 2 workers, 100 server blocks", 1.25, 1.2, " times"},
		{"pre-flight beyond its `nginx -t`, 2 workers, 100 server blocks", 5.5, 20, " ms"},
		{"last write to USR2 beyond SettleSec= and pre-flight, 2 workers, 100 server blocks", 17.5, 20, " ms"},
	}
	if diff := cmp.Diff(want, s.goals, cmp.AllowUnexported(goal{})); diff != "" {
		t.Error(diff)
	}
	square(t, s)
}

// square checks that no row of a table has other cells than its head.
func square(t *testing.T, s *section) {
	t.Helper()
	for _, c := range s.tables {
		for _, row := range c.table {
			if len(row) != len(c.table[0]) {
				t.Errorf("%s: %d cells below %d: %q", c.caption, len(row), len(c.table[0]), row)
			}
		}
		if len(c.table) < 2 {
			t.Errorf("%s: an empty table", c.caption)
		}
	}
}
