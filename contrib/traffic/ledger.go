package traffic

import (
	"maps"
	"slices"
	"time"
)

// ledger is the account of a load. The goroutine that runs keep owns it.
type ledger struct {
	started  time.Time
	stopped  time.Time // zero: still going
	total    *tally
	kinds    map[Kind]*tally
	failures []Failure
}

// tally is the account of one kind of client, or of all.
type tally struct {
	Summary
	latency histogram
	good    time.Time // the last good answer, at first the start
	gap     time.Duration
	noted   int // failures with text
}

const (
	maxFailures = 20 // of each kind of client that are kept with their text
	maxServers  = 32 // versions that are told apart
)

func newLedger(now time.Time) *ledger {
	return &ledger{started: now, total: newTally(now), kinds: map[Kind]*tally{}}
}

func newTally(now time.Time) *tally {
	return &tally{good: now, Summary: Summary{ByKind: map[string]int{}, Servers: map[string]int{}}}
}

// keep takes events until there are no more and returns the last report.
func (l *ledger) keep(events <-chan event, asks <-chan chan *Report) *Report {
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return l.report(time.Now())
			}
			l.take(e)
		case answer := <-asks:
			answer <- l.report(time.Now())
		}
	}
}

func (l *ledger) take(e event) {
	if e.what == halted {
		l.stopped = e.at
		return
	}
	t := l.kinds[e.kind]
	if t == nil {
		t = newTally(l.started)
		l.kinds[e.kind] = t
	}
	if failed(e) && t.noted < maxFailures {
		t.noted++
		l.failures = append(l.failures, Failure{e.at, e.kind, e.fault.kind, "GET " + e.url + ": " + e.fault.err.Error()})
	}
	for _, t := range []*tally{t, l.total} {
		t.take(e, l.stopped.IsZero())
	}
}

func failed(e event) bool { return e.fault != nil && e.fault.kind != unfinished }

// take counts e; going says that the load has not stopped yet.
func (t *tally) take(e event, going bool) {
	switch e.what {
	case begun:
		t.Running++
	case stale:
		t.StaleRetries++
	case progress:
		if e.took > 0 {
			t.Echoes++
		}
		t.answer(e, going)
	case finished:
		t.finish(e, going)
	}
}

func (t *tally) finish(e event, going bool) {
	t.Requests++
	if e.begun {
		t.Running--
	}
	if e.server != "" {
		t.serve(e.server)
	}
	switch {
	case e.fault == nil:
		t.OK++
		if e.begun {
			t.Completed++
		}
		t.answer(e, going)
	case failed(e):
		t.Failed++
		t.ByKind[e.fault.kind]++
	default:
		t.Unfinished++
	}
}

// serve counts an answer of server. A server that changes its name all the time
// must not fill the memory.
func (t *tally) serve(server string) {
	if _, known := t.Servers[server]; !known && len(t.Servers) >= maxServers {
		server = "other"
	}
	t.Servers[server]++
}

// answer notes a sign of life: its latency and the time since the last one.
func (t *tally) answer(e event, going bool) {
	if e.took > 0 {
		t.latency.add(e.took)
	}
	if going && e.at.After(t.good) {
		t.gap = max(t.gap, e.at.Sub(t.good))
		t.good = e.at
	}
}

// report draws up the account at now.
func (l *ledger) report(now time.Time) *Report {
	if !l.stopped.IsZero() {
		now = l.stopped
	}
	r := &Report{
		Started:    l.started,
		DurationMS: now.Sub(l.started).Milliseconds(),
		Total:      l.total.summary(now),
		Kinds:      map[Kind]Summary{},
		Failures:   slices.Clone(l.failures),
	}
	for kind, t := range l.kinds {
		r.Kinds[kind] = t.summary(now)
	}
	return r
}

func (t *tally) summary(now time.Time) Summary {
	s := t.Summary
	s.ByKind, s.Servers = maps.Clone(s.ByKind), maps.Clone(s.Servers)
	s.LatencyUS = Latency{
		P50: t.latency.quantile(0.5), P99: t.latency.quantile(0.99),
		P999: t.latency.quantile(0.999), Max: int64(t.latency.max),
	}
	s.LongestGapMS = float64(max(t.gap, now.Sub(t.good)).Microseconds()) / 1000
	return s
}
