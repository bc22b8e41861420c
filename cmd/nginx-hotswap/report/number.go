package report

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// number has at most that many decimals, and none that is a zero at the end.
func number(v float64, decimals int) string {
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func pair(a int, unitA string, b int, unitB string) string {
	text := strconv.Itoa(a) + " " + unitA
	if b != 0 {
		text += " " + strconv.Itoa(b) + " " + unitB
	}
	return text
}

func counted(n int, noun string) string {
	text := strconv.Itoa(n) + " " + noun
	if n != 1 {
		text += "s"
	}
	return text
}

// timeSteps are distances at which a clock is easily read.
var timeSteps = []time.Duration{
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// timeTicks are the marks of a time axis from one offset to another, at most
// that many and one.
func timeTicks(from, to time.Duration, most int) (ticks []time.Duration) {
	step := timeSteps[0]
	for i := 0; (to-from)/step > time.Duration(most); i++ {
		if i < len(timeSteps) {
			step = timeSteps[i]
		} else {
			step *= 2
		}
	}
	for t := (from + step - 1) / step * step; t <= to; t += step {
		ticks = append(ticks, t)
	}
	return ticks
}

// scale is the vertical axis: from the lowest value to the highest, in equal
// steps or in equal ratios.
type scale struct {
	low, high float64
	ratios    bool
}

// linear begins at zero and ends at a round number. The step is at least that
// large.
func linear(highest, step float64) (s scale, ticks []float64) {
	factors := []float64{2, 2.5, 2} // 1, 2, 5, 10
	for i := 0; highest/step > 5; i++ {
		step *= factors[i%3]
	}
	steps := max(1, int(math.Ceil(highest/step)))
	for i := range steps + 1 {
		ticks = append(ticks, float64(i)*step)
	}
	return scale{high: ticks[steps]}, ticks
}

// decades is for values that are far apart: one that timed out would flatten
// all the others.
func decades(lowest, highest float64) (s scale, ticks []float64) {
	low := math.Pow(10, math.Floor(math.Log10(lowest)))
	high := math.Pow(10, math.Ceil(math.Log10(highest)))
	for v := low; v <= high*1.01; v *= 10 {
		ticks = append(ticks, v)
	}
	return scale{low, high, true}, ticks
}

// share is how far up a value is, from 0 to 1.
func (s scale) share(v float64) float64 {
	v = min(max(v, s.low), s.high)
	if s.ratios {
		return (math.Log10(v) - math.Log10(s.low)) / (math.Log10(s.high) - math.Log10(s.low))
	}
	return (v - s.low) / (s.high - s.low)
}
