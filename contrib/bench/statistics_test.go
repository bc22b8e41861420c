package main

import "testing"

func TestSummary(t *testing.T) {
	tests := []struct {
		figures []float64
		want    string
	}{
		{nil, "–"},
		{[]float64{7}, "7 (7–7, 7–7)"},
		{[]float64{4, 1}, "2.5 (1.8–3.2, 1–4)"},
		{[]float64{5, 3, 1, 2, 4}, "3 (2–4, 1–5)"},
		{[]float64{0.04, 1000.4, 12.34}, "12.3 (6.2–506, 0.0–1000)"},
		{[]float64{-3, -1, -250.5, -2}, "-2.5 (-64.9–-1.8, -250–-1)"},
	}
	for _, tt := range tests {
		if got := summarize(tt.figures).String(); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.figures, got, tt.want)
		}
	}
}

func TestSummarizeLeavesFiguresAlone(t *testing.T) {
	figures := []float64{3, 1, 2}
	if got := summarize(figures); got.n != 3 || figures[0] != 3 {
		t.Errorf("%d figures, now %v", got.n, figures)
	}
}
