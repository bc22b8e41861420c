package report

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 ms", 0: "0 ms", 999 * time.Microsecond: "0 ms", 21 * time.Millisecond: "21 ms", 999 * time.Millisecond: "999 ms",
		time.Second: "1 s", 3290 * time.Millisecond: "3.2 s", 59999 * time.Millisecond: "59.9 s", time.Minute: "1 min", 72 * time.Second: "1 min 12 s",
		time.Hour: "1 h", 5*time.Hour + 3*time.Minute + 59*time.Second: "5 h 3 min", 47 * time.Hour: "47 h", 50 * time.Hour: "2 d 2 h",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: %q, not %q", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0", 500 * time.Microsecond: "0", -40 * time.Millisecond: "−40 ms", 3347 * time.Millisecond: "+3.347 s", 3300 * time.Millisecond: "+3.3 s",
		90 * time.Second: "+1 min 30 s",
	} {
		if got := offset(d); got != want {
			t.Errorf("offset %v: %q, not %q", d, got, want)
		}
	}
}

func TestTimeTicks(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		from, to time.Duration
		most     int
		want     []time.Duration
	}{
		{0, 130 * s, 7, []time.Duration{0, 30 * s, 60 * s, 90 * s, 120 * s}},
		{0, 130 * s, 4, []time.Duration{0, 30 * s, 60 * s, 90 * s, 120 * s}},
		{0, 130 * s, 3, []time.Duration{0, 60 * s, 120 * s}},
		{1500 * time.Millisecond, 4 * s, 4, []time.Duration{2 * s, 3 * s, 4 * s}},
		{0, time.Millisecond, 4, []time.Duration{0, time.Millisecond}},
		{0, 1000 * 24 * time.Hour, 1, []time.Duration{0, 512 * 24 * time.Hour}},
	} {
		if diff := cmp.Diff(test.want, timeTicks(test.from, test.to, test.most)); diff != "" {
			t.Errorf("%v to %v: %s", test.from, test.to, diff)
		}
	}
}

func TestScales(t *testing.T) {
	for _, test := range []struct {
		highest, step float64
		want          []float64
	}{
		{0, 1, []float64{0, 1}},
		{3, 1, []float64{0, 1, 2, 3}},
		{412, 1, []float64{0, 100, 200, 300, 400, 500}},
		{1.4, 0.01, []float64{0, 0.5, 1, 1.5}},
		{0.004, 0.01, []float64{0, 0.01}},
	} {
		s, ticks := linear(test.highest, test.step)
		if diff := cmp.Diff(test.want, ticks); diff != "" {
			t.Errorf("up to %v: %s", test.highest, diff)
		}
		if s.share(0) != 0 || s.share(s.high) != 1 || s.share(s.high/2) != 0.5 || s.share(-1) != 0 || s.share(2*s.high) != 1 {
			t.Errorf("up to %v: %+v", test.highest, s)
		}
	}
	s, ticks := decades(0.8, 1382)
	if diff := cmp.Diff([]float64{0.1, 1, 10, 100, 1000, 10000}, ticks); diff != "" {
		t.Error(diff)
	}
	if s.share(0.1) != 0 || s.share(10) != 0.4 || s.share(0) != 0 {
		t.Errorf("%+v", s)
	}
}

func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"a\tb\nc": "a b c", "\x1b[31mred\x07": "[31mred", "\u202eevil\u200b": "evil", "naïve → ok": "naïve → ok", "bad \xff": "bad \uFFFD",
	} {
		if got := plain(text); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
}
