package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// summary is what there is to say about a set of figures.
type summary struct {
	n                                 int
	low, quarter, median, three, high float64
}

// summarize describes the figures. The quartiles lie between two of them where
// need be (linear, as type 7 of R).
func summarize(figures []float64) summary {
	if len(figures) == 0 {
		return summary{}
	}
	sorted := slices.Sorted(slices.Values(figures))
	return summary{
		n: len(sorted), low: sorted[0], quarter: quantile(sorted, 0.25),
		median: quantile(sorted, 0.5), three: quantile(sorted, 0.75), high: sorted[len(sorted)-1],
	}
}

func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	below := int(at)
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (at-float64(below))*(sorted[above]-sorted[below])
}

// spread summarizes one figure of each run.
func spread[T any](runs []T, figure func(T) float64) summary {
	var figures []float64
	for _, r := range runs {
		figures = append(figures, figure(r))
	}
	return summarize(figures)
}

// millisOf is a span in milliseconds.
func millisOf(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// String is "median (quartile-quartile, least-greatest)".
func (s summary) String() string {
	if s.n == 0 {
		return "–"
	}
	return fmt.Sprintf("%s (%s–%s, %s–%s)", figure(s.median), figure(s.quarter), figure(s.three), figure(s.low), figure(s.high))
}

// short is "median (least–greatest)".
func (s summary) short() string {
	if s.n == 0 {
		return "–"
	}
	return fmt.Sprintf("%s (%s–%s)", precise(s.median), precise(s.low), precise(s.high))
}

// figure has as many places as it deserves.
func figure(v float64) string {
	if math.Abs(v) >= 100 || v == math.Trunc(v) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}
