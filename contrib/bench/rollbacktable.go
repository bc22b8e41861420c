package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// tellRollback prints what was measured of the way back.
func (m *machine) tellRollback(ctx context.Context, w io.Writer, runs int, results [][]wayBack) error {
	where, err := m.describe(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "## The way back\n\n%s\n\n", where)
	fmt.Fprintf(w, "%d runs each. Milliseconds: median (quartiles, least–greatest). The configuration is the default (SoakSec=10s,\n"+
		"KeepOldSec=2min, differential probe), and nothing in it is shortened: no run gets as far as the verdict.\n\n", runs)
	fmt.Fprint(w, "From the bad sign (the end of the first process of the successor's, by its pidfd) until the old version\naccepts again. "+
		"Where WINCH was not sent yet its workers never stopped, and there is nothing to measure (–).\n\n")
	wayTable(results).write(w)
	fmt.Fprint(w, "\nFrom the start of a successor that crashes all the time until nginx-hotswap tells that it goes back; and what all\n"+
		"clients together saw in a run. The longest gap includes their own pauses.\n\n")
	costTable(results).write(w)
	return nil
}

// wayTable tells of the time without workers that accept.
func wayTable(results [][]wayBack) table {
	t := table{{"the successor", "went back from", "going back is told (journal)", "an old worker accepts", "all accept",
		"first answer of old", "Reviving is over (record)", "all is over (record)"}}
	for i, row := range wrongs {
		cells := []string{row.name, phases(results[i])}
		for _, moment := range []func(wayBack) time.Time{
			func(r wayBack) time.Time { return r.told },
			func(r wayBack) time.Time { return r.accepts },
			func(r wayBack) time.Time { return r.all },
			func(r wayBack) time.Time { return r.answered },
			func(r wayBack) time.Time { return r.revived },
			func(r wayBack) time.Time { return r.finished },
		} {
			cells = append(cells, spans(results[i], func(r wayBack) time.Time { return r.sign }, moment).String())
		}
		t.row(cells...)
	}
	return t
}

// phases counts where the runs turned back.
func phases(runs []wayBack) string {
	count := map[string]int{}
	for _, r := range runs {
		count[string(r.from)]++
	}
	var list []string
	for _, phase := range slices.Sorted(maps.Keys(count)) {
		list = append(list, fmt.Sprintf("%d %s", count[phase], phase))
	}
	return strings.Join(list, ", ")
}

// costTable tells how soon a crash loop was recognised, and what each fault cost.
func costTable(results [][]wayBack) table {
	t := table{{"the successor", "recognised after its start", "after its first worker's", "requests in all", "failed", "longest gap"}}
	for i, row := range wrongs {
		fromStart, fromWorker := "", ""
		if row.loop {
			told := func(r wayBack) time.Time { return r.told }
			fromStart = spans(results[i], func(r wayBack) time.Time { return r.started }, told).String()
			fromWorker = spans(results[i], func(r wayBack) time.Time { return r.worker }, told).String()
		}
		requests := 0
		var failed, gap []float64
		for _, r := range results[i] {
			requests += r.load.Requests
			failed = append(failed, float64(r.load.Failed))
			gap = append(gap, r.load.LongestGapMS)
		}
		t.row(row.name, fromStart, fromWorker, fmt.Sprint(requests), summarize(failed).String(), summarize(gap).String())
	}
	return t
}

// spans summarizes the milliseconds between two moments, where both came.
func spans(runs []wayBack, from, to func(wayBack) time.Time) summary {
	var figures []float64
	for _, r := range runs {
		if from, to := from(r), to(r); !from.IsZero() && !to.IsZero() {
			figures = append(figures, float64(to.Sub(from).Microseconds())/1000)
		}
	}
	return summarize(figures)
}
