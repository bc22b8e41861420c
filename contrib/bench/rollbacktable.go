package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const rollbackText = `%d runs of each. Milliseconds: median (quartiles, least–greatest). The configuration is the default (SoakSec=10s,
KeepOldSec=2min, differential probe), and nothing in it is shortened: no run gets as far as the verdict.`

// rollbackSection draws up what was measured of the way back.
func rollbackSection(runs int, results [][]wayBack) *section {
	s := &section{title: "The way back", text: fmt.Sprintf(rollbackText, runs), raw: rawWaysBack(results)}
	s.tables = []captioned{
		{"From the bad sign (the end of the first process of the successor's, by its pidfd) until the old version accepts again.\n" +
			"Where WINCH was not sent yet its workers never stopped, and there is nothing to measure (–).", wayTable(results)},
		{"From the start of a successor that crashes all the time until nginx-hotswap tells that it goes back; and what all\n" +
			"clients together saw in a run. The longest gap includes their own pauses.", costTable(results)},
	}
	for i, row := range wrongs {
		accepts := spans(results[i], func(r wayBack) time.Time { return r.sign }, func(r wayBack) time.Time { return r.accepts })
		if accepts.n > 0 {
			s.goals = append(s.goals, goal{"bad sign to an old worker that accepts, " + row.name, accepts.median, 100, " ms"})
		}
	}
	return s
}

// rawWayBack is one run in milliseconds since the bad sign; nil where a moment did
// not come.
type rawWayBack struct {
	From                                             string
	Told, Accepts, All, Answered, Reviving, Finished *float64
	Requests, Failed                                 int
	LongestGapMS                                     float64
}

func rawWaysBack(results [][]wayBack) map[string][]rawWayBack {
	raw := map[string][]rawWayBack{}
	for i, row := range wrongs {
		for _, r := range results[i] {
			since := func(at time.Time) *float64 {
				if at.IsZero() {
					return nil
				}
				ms := millis(r.sign, at)
				return &ms
			}
			raw[row.name] = append(raw[row.name], rawWayBack{
				From: string(r.from), Told: since(r.told), Accepts: since(r.accepts), All: since(r.all), Answered: since(r.answered),
				Reviving: since(r.revived), Finished: since(r.finished),
				Requests: r.load.Requests, Failed: r.load.Failed, LongestGapMS: r.load.LongestGapMS,
			})
		}
	}
	return raw
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
