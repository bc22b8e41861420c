package traffic

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHistogram(t *testing.T) {
	for _, v := range []uint64{0, 1, 31, 32, 33, 63, 64, 65, 1000, 123_456, 10_000_000, 1 << 40} {
		edge := upper(bucket(v))
		if edge < v || float64(edge) > float64(v)*(1+1.0/32) {
			t.Errorf("bucket of %d ends at %d", v, edge)
		}
		if v > 0 && bucket(edge+1) != bucket(v)+1 {
			t.Errorf("bucket of %d and the next are not adjacent", v)
		}
	}

	var h histogram
	if got := h.quantile(0.5); got != 0 {
		t.Errorf("median of nothing is %d", got)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	var samples []int64
	for range 10_000 {
		v := int64(rnd.ExpFloat64() * 5000)
		samples = append(samples, v)
		h.add(time.Duration(v) * time.Microsecond)
	}
	slices.Sort(samples)
	for _, q := range []float64{0.5, 0.99, 0.999, 1} {
		want := samples[int(q*10_000)-1]
		if got := h.quantile(q); got < want || float64(got) > float64(want)*(1+1.0/32) {
			t.Errorf("quantile %v is %d, true is %d", q, got, want)
		}
	}
	h.add(100 * 365 * 24 * time.Hour)
	if got := h.quantile(1); got != int64(h.max) {
		t.Errorf("quantile 1 of a huge value is %d, max %d", got, h.max)
	}
}

// TestLedger plays events and reads the account.
func TestLedger(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	l := newLedger(start)
	reset := &fault{Reset, errors.New("connection reset by peer")}
	for _, e := range []event{
		{what: finished, kind: New, at: at(10), took: time.Millisecond, server: "nginx/1"},
		{what: begun, kind: Download, at: at(20)},
		{what: begun, kind: Stream, at: at(20)},
		{what: progress, kind: Download, at: at(40)},
		{what: finished, kind: New, at: at(50), fault: reset, url: "http://x/"},
		{what: progress, kind: Stream, at: at(60), took: 2 * time.Millisecond},
		{what: stale, kind: KeepAlive, at: at(70)},
		{what: finished, kind: KeepAlive, at: at(70), took: time.Millisecond, server: "nginx/2"},
		{what: finished, kind: New, at: at(210), took: 3 * time.Millisecond, server: "nginx/2"},
		{what: finished, kind: New, at: at(205), took: 3 * time.Millisecond, server: "nginx/2"}, // overtaken
		{what: halted, at: at(300)},
		{what: finished, kind: Download, at: at(900), took: time.Millisecond, begun: true, server: "nginx/1"},
		{what: finished, kind: Stream, at: at(950), begun: true, fault: &fault{unfinished, errGrace}},
	} {
		l.take(e)
	}
	r := l.report(at(1000))

	// 1007 is the upper edge of the bucket of 1000 µs.
	none := map[string]int{}
	want := &Report{
		Started: start, DurationMS: 300,
		Total: Summary{
			Requests: 7, OK: 5, Failed: 1, ByKind: map[string]int{Reset: 1}, StaleRetries: 1, Unfinished: 1,
			Completed: 1, Echoes: 1, Servers: map[string]int{"nginx/1": 2, "nginx/2": 3},
			LatencyUS: Latency{P50: 1007, P99: 3000, P999: 3000, Max: 3000}, LongestGapMS: 140,
		},
		Kinds: map[Kind]Summary{
			New: {
				Requests: 4, OK: 3, Failed: 1, ByKind: map[string]int{Reset: 1}, Servers: map[string]int{"nginx/1": 1, "nginx/2": 2},
				LatencyUS: Latency{P50: 3000, P99: 3000, P999: 3000, Max: 3000}, LongestGapMS: 200,
			},
			KeepAlive: {
				Requests: 1, OK: 1, ByKind: none, StaleRetries: 1, Servers: map[string]int{"nginx/2": 1},
				LatencyUS: Latency{1000, 1000, 1000, 1000}, LongestGapMS: 230,
			},
			Download: {
				Requests: 1, OK: 1, ByKind: none, Completed: 1, Servers: map[string]int{"nginx/1": 1},
				LatencyUS: Latency{1000, 1000, 1000, 1000}, LongestGapMS: 260,
			},
			Stream: {
				Requests: 1, ByKind: none, Unfinished: 1, Echoes: 1, Servers: none,
				LatencyUS: Latency{2000, 2000, 2000, 2000}, LongestGapMS: 240,
			},
		},
		Failures: []Failure{{at(50), New, Reset, "GET http://x/: connection reset by peer"}},
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

// TestLedgerBounds checks that a server which misbehaves for long costs no memory.
func TestLedgerBounds(t *testing.T) {
	l := newLedger(time.Unix(0, 0))
	for i := range 1000 {
		l.take(event{what: finished, kind: New, server: fmt.Sprint("v", i), fault: &fault{EOF, errors.New("x")}})
	}
	r := l.report(time.Unix(1, 0))
	if r.Total.Failed != 1000 || len(r.Failures) != maxFailures {
		t.Errorf("%d failed and %d noted", r.Total.Failed, len(r.Failures))
	}
	if len(r.Total.Servers) != maxServers+1 || r.Total.Servers["other"] != 1000-maxServers {
		t.Errorf("servers: %v", r.Total.Servers)
	}
	var b strings.Builder
	r.Table(&b)
	if !strings.Contains(b.String(), "and 980 more") {
		t.Errorf("table does not say how many are left out:\n%s", b.String())
	}
}

func TestVerdict(t *testing.T) {
	tests := []struct {
		total Summary
		good  bool
	}{
		{Summary{Requests: 3, OK: 3}, true},
		{Summary{Requests: 4, OK: 3, Unfinished: 1}, true},
		{Summary{Requests: 3, OK: 2, Failed: 1}, false},
		{Summary{}, false},
		{Summary{Requests: 1, Unfinished: 1}, false},
	}
	for _, tt := range tests {
		r := Report{Total: tt.total}
		if err := r.Verdict(); (err == nil) != tt.good {
			t.Errorf("%+v: %v", tt.total, err)
		}
	}
}
