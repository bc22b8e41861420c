package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

const clientsText = `The same traffic each time (fresh connections, keep-alive, a unix socket, slow downloads of 8 s, streams as of
WebSocket), in the same window, which begins a second before; %d runs of each, the rows take turns. Where a program is
replaced, writing it is a part of the window. nginx-hotswap with SettleSec=500ms, SoakSec=1s and KeepOldSec=0, all other
settings are the defaults. Failures are those of all runs together; stale retries, which are no failures, are requests on a
used connection that nginx had just closed: clients repeat them, and they come with each reload, too. Milliseconds: median
of the runs (least–greatest). The longest gap is that between two answers to fresh connections, with the clients' own
pauses.`

// clientsSection draws up what clients noticed.
func clientsSection(runs int, all []*noticed) *section {
	s := &section{title: "What clients notice", text: fmt.Sprintf(clientsText, runs), raw: all}
	for _, n := range all {
		if len(s.tables) == 0 || s.tables[len(s.tables)-1].caption != n.Release+"." {
			s.tables = append(s.tables, captioned{n.Release + ".", table{noticedHead()}})
		}
		t := &s.tables[len(s.tables)-1].table
		t.row(n.row()...)
		if strings.HasPrefix(n.Way, "nginx-hotswap") {
			s.promise(n, all)
		}
	}
	return s
}

func noticedHead() []string {
	return []string{"", "requests", "failed", "of which", "downloads cut", "streams cut", "stale retries", "longest gap", "p50", "p99", "p99.9", "max"}
}

// row has the cells of the head.
func (n *noticed) row() []string {
	ms := func(figure func(traffic.Latency) int64) string {
		return spread(n.Runs, func(r *traffic.Report) float64 { return float64(figure(r.Total.LatencyUS)) / 1000 }).short()
	}
	return []string{
		n.Way, fmt.Sprint(n.sum(func(r *traffic.Report) int { return r.Total.Requests })), fmt.Sprint(n.failed()), kinds(n.Runs),
		fmt.Sprint(n.sum(func(r *traffic.Report) int { return r.Total.ByKind[traffic.DownloadCut] })),
		fmt.Sprint(n.sum(func(r *traffic.Report) int { return r.Total.ByKind[traffic.StreamCut] })),
		fmt.Sprint(n.sum(func(r *traffic.Report) int { return r.Total.StaleRetries })),
		spread(n.Runs, func(r *traffic.Report) float64 { return r.Kinds[traffic.New].LongestGapMS }).short(),
		ms(func(l traffic.Latency) int64 { return l.P50 }), ms(func(l traffic.Latency) int64 { return l.P99 }),
		ms(func(l traffic.Latency) int64 { return l.P999 }), ms(func(l traffic.Latency) int64 { return l.Max }),
	}
}

func (n *noticed) sum(figure func(*traffic.Report) int) int {
	sum := 0
	for _, r := range n.Runs {
		sum += figure(r)
	}
	return sum
}

func (n *noticed) failed() int { return n.sum(func(r *traffic.Report) int { return r.Total.Failed }) }

// kinds counts failures by kind, over all runs.
func kinds(runs []*traffic.Report) string {
	counts := map[string]int{}
	for _, r := range runs {
		for kind, n := range r.Total.ByKind {
			counts[kind] += n
		}
	}
	var list []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, fmt.Sprintf("%s %d", kind, counts[kind]))
	}
	if len(list) == 0 {
		return "–"
	}
	return strings.Join(list, ", ")
}

// texts are the first failures, for those who look for the reason.
func texts(runs []*traffic.Report) string {
	var b strings.Builder
	for _, r := range runs {
		for _, f := range r.Failures {
			fmt.Fprintf(&b, "\n%+.3f s %s: %s", f.Time.Sub(r.Started).Seconds(), f.Client, f.Text)
		}
	}
	return b.String()
}

// promise adds what nginx-hotswap must reach, beside the floor of the same release.
func (s *section) promise(n *noticed, all []*noticed) {
	what := fmt.Sprintf("%s, %s", n.Release, n.Way)
	s.goals = append(s.goals, goal{"failed and cut, " + what, float64(n.failed()), 0, ""})
	if n.failed() > 0 {
		s.lost = errors.Join(s.lost, fmt.Errorf("%s: %d requests failed: %s%s", what, n.failed(), kinds(n.Runs), texts(n.Runs)))
	}
	for _, other := range all {
		if other.Release != n.Release {
			continue
		}
		if other.Way == wayFloor {
			s.goals = append(s.goals, ratio("p99.9, of the floor's, "+what, n.late(), other.late(), 1.1))
		}
		if other.Way == wayPackage && n.Way == wayOurPackage { // the package manager's own work is in both
			s.goals = append(s.goals, ratio("p99.9, of the package upgrade's as it is, "+what, n.late(), other.late(), 1.1))
		}
	}
}

// late is the median of the runs' p99.9.
func (n *noticed) late() float64 {
	return spread(n.Runs, func(r *traffic.Report) float64 { return float64(r.Total.LatencyUS.P999) / 1000 }).median
}
