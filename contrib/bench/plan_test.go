package main

import (
	"slices"
	"strings"
	"testing"
)

func TestPlan(t *testing.T) {
	names := func(list []part) (names []string) {
		for _, p := range list {
			names = append(names, p.name)
		}
		return names
	}
	all := names(parts)
	tests := []struct {
		o      options
		parts  []string
		cycles int
		err    string
	}{
		{options{}, all, full.cycleRuns, ""},
		{options{quick: true}, quickParts, quick.cycleRuns, ""},
		{options{runs: 2, parts: []string{"rollback"}}, []string{"rollback"}, 2, ""},
		{options{quick: true, parts: []string{"idle", "bad"}}, []string{"idle", "bad"}, quick.cycleRuns, ""},
		{options{parts: []string{"rollback", "everything"}}, nil, 0, `"everything"`},
		{options{runs: -1}, nil, 0, "-runs"},
	}
	for _, tt := range tests {
		chosen, p, err := tt.o.plan()
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%+v: error %v, not %q", tt.o, err, tt.err)
			}
			continue
		}
		got := names(chosen)
		if err != nil || p.cycleRuns != tt.cycles || len(got) != len(tt.parts) {
			t.Errorf("%+v: %v, %d cycles, %v", tt.o, got, p.cycleRuns, err)
		}
		for _, want := range tt.parts {
			if !slices.Contains(got, want) {
				t.Errorf("%+v: %v without %s", tt.o, got, want)
			}
		}
	}
}

// Every way that a quick run takes is one that there is.
func TestQuickWays(t *testing.T) {
	chosen := (&bench{plan: quick}).chosenWays()
	if len(chosen) != len(quick.ways) {
		t.Errorf("%d ways of %v", len(chosen), quick.ways)
	}
	if len((&bench{plan: full}).chosenWays()) != len(ways) {
		t.Error("a full run leaves ways out")
	}
}
