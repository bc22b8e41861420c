package main

import (
	"math"
	"testing"
)

func TestGoal(t *testing.T) {
	tests := []struct {
		g       goal
		reached bool
		want    string
	}{
		{goal{"lost", 0, 0, ""}, true, "**reached**: lost: 0 (at most 0)"},
		{goal{"lost", 1, 0, ""}, false, "**missed**: lost: 1 (at most 0)"},
		{goal{"way back", 99.94, 100, " ms"}, true, "**reached**: way back: 99.94 ms (at most 100 ms)"},
		{goal{"way back", 100.4, 100, " ms"}, false, "**missed**: way back: 100.4 ms (at most 100 ms)"},
		{ratio("cycle", 12, 10, 1.2), true, "**reached**: cycle: 1.2 times (at most 1.2 times)"},
		{ratio("cycle", 1201, 1000, 1.2), false, "**missed**: cycle: 1.201 times (at most 1.2 times)"},
		{ratio("cycle", 12, 0, 1.2), false, "**not measured**: cycle (at most 1.2 times)"},
		{goal{"way back", math.NaN(), 100, " ms"}, false, "**not measured**: way back (at most 100 ms)"},
	}
	for _, tt := range tests {
		if got := tt.g.String(); got != tt.want || tt.g.reached() != tt.reached {
			t.Errorf("reached %t: got %q, want %q", tt.g.reached(), got, tt.want)
		}
	}
}
