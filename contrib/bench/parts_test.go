package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

func TestPhasesOfRecord(t *testing.T) {
	rec := func(phases ...supervisor.Phase) *supervisor.Record {
		r := &supervisor.Record{}
		for i, phase := range phases {
			r.Steps = append(r.Steps, supervisor.StepRecord{Phase: phase, Started: at(i + 1)})
		}
		return r
	}
	tests := []struct {
		rec      *supervisor.Record
		from     supervisor.Phase
		reviving time.Time
	}{
		{rec(supervisor.Verifying, supervisor.Starting, supervisor.Dismissing, supervisor.Restoring), supervisor.Starting, at(0)},
		{rec(supervisor.Shifting, supervisor.Soaking, supervisor.Reviving, supervisor.Returning), supervisor.Soaking, at(3)},
		{rec(supervisor.Verifying), supervisor.Verifying, at(0)},
		{rec(), supervisor.Idle, at(0)},
	}
	for _, tt := range tests {
		if from, reviving := lastForward(tt.rec), began(tt.rec, supervisor.Reviving); from != tt.from || !reviving.Equal(tt.reviving) {
			t.Errorf("%v: from %s, reviving %v", tt.rec.Steps, from, reviving)
		}
	}
}

func TestProcessor(t *testing.T) {
	if got := processor("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: Other\n"); got != "Some CPU @ 2 GHz" {
		t.Errorf("got %q", got)
	}
}

func TestAsTest(t *testing.T) {
	dir := t.TempDir()
	var within string
	err := asTest(t.Context(), dir, func(tb testing.TB) {
		tb.Helper()
		within = tb.TempDir()
		tb.Fatalf("cannot do %d", 3)
	})
	if err == nil || err.Error() != "cannot do 3" || !strings.HasPrefix(within, dir) {
		t.Errorf("%v, %s", err, within)
	}
	if err := asTest(t.Context(), dir, func(testing.TB) {}); err != nil {
		t.Error(err)
	}
}

// Every row of one table is a row of the other, and no cell is left out.
func TestRollbackTables(t *testing.T) {
	results := make([][]wayBack, len(wrongs))
	results[0] = []wayBack{
		{sight: sight{started: at(1), worker: at(2), sign: at(10), accepts: at(14)}, told: at(12), from: supervisor.Soaking},
		{sight: sight{started: at(1), worker: at(2), sign: at(10)}, told: at(11), from: supervisor.Starting},
	}
	way, cost := wayTable(results), costTable(results)
	if diff := cmp.Diff([]string{wrongs[0].name, "1 soaking, 1 starting", "1.5 (1.2–1.8, 1–2)", "4 (4–4, 4–4)", "–", "–", "–"}, way[1][:7]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{wrongs[0].name, "10.5 (10.2–10.8, 10–11)", "9.5 (9.2–9.8, 9–10)"}, cost[1][:3]); diff != "" {
		t.Error(diff)
	}
	raw := rawWaysBack(results)[wrongs[0].name]
	if len(raw) != 2 || raw[0].From != "soaking" || *raw[0].Accepts != 4 || raw[1].Accepts != nil {
		t.Errorf("raw: %+v", raw)
	}
	if s := rollbackSection(2, results); len(s.goals) != 1 || s.goals[0].measured != 4 {
		t.Errorf("%v", s.goals)
	}
	for _, tab := range []table{way, cost} {
		for _, row := range tab {
			if len(tab) != len(wrongs)+1 || len(row) != len(tab[0]) {
				t.Errorf("%d rows, %q", len(tab), row)
			}
		}
	}
}
