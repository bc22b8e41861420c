package main

import (
	"slices"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// The two ways of a cycle, in the order of their phases, see package supervisor.
var (
	wayThere = []supervisor.Phase{supervisor.Verifying, supervisor.Keeping, supervisor.Starting, supervisor.Shifting,
		supervisor.Soaking, supervisor.Draining, supervisor.Retiring}
	wayBack = []supervisor.Phase{supervisor.Reviving, supervisor.Returning, supervisor.Dismissing, supervisor.Restoring}
)

// mark says how far a phase is.
type mark struct {
	sign  string
	style style
}

var (
	done     = mark{"✓", green}
	underWay = mark{"●", cyan}
	failed   = mark{"✗", red}
	toCome   = mark{"○", dim}
)

// phaseRow is one phase as it is shown; started is zero for one to come.
type phaseRow struct {
	phase   supervisor.Phase
	mark    mark
	started time.Time
	took    time.Duration
}

// phaseRows are the phases that a cycle went through, the one that it is in, and
// those that are still to come on the way that it takes.
func phaseRows(s supervisor.Status, now time.Time) []phaseRow {
	c := s.Cycle
	var rows []phaseRow
	for i, step := range c.Steps {
		end, m := now, underWay
		switch {
		case i < len(c.Steps)-1:
			end, m = step.Started.Add(time.Duration(step.DurationMS)*time.Millisecond), done
			if c.Steps[i+1].Phase.IsWayBack() && !step.Phase.IsWayBack() {
				m = failed
			}
		case hasEnded(s):
			m = endMark(s.Last.Result)
			if s.Last.Finished != nil {
				end = *s.Last.Finished
			}
		}
		if n := len(rows); n > 0 && rows[n-1].phase == step.Phase { // the daemon was started anew
			rows[n-1].mark, rows[n-1].took = m, end.Sub(rows[n-1].started)
			continue
		}
		rows = append(rows, phaseRow{step.Phase, m, step.Started, end.Sub(step.Started)})
	}
	if hasEnded(s) || len(rows) == 0 {
		return rows
	}
	way := wayThere
	if rows[len(rows)-1].phase.IsWayBack() {
		way = wayBack
	}
	for _, p := range way[slices.Index(way, rows[len(rows)-1].phase)+1:] {
		rows = append(rows, phaseRow{phase: p, mark: toCome})
	}
	return rows
}

// hasEnded reports whether the cycle that is shown is over.
func hasEnded(s supervisor.Status) bool { return s.Last != nil && s.Last.ID == s.Cycle.ID }

// endMark is for the last phase of a cycle that is over.
func endMark(r supervisor.Result) mark {
	switch r {
	case supervisor.Upgraded, supervisor.Adopted, supervisor.RolledBack:
		return done // the way back was gone to its end, too
	}
	return failed
}

// phaseLines lists the phases, or where there is little room those that are
// done in one line.
func phaseLines(s supervisor.Status, now time.Time, all bool) []line {
	var lines []line
	var names line
	for _, r := range phaseRows(s, now) {
		if !all && r.mark != underWay && r.mark != failed {
			names = append(names, span{r.mark.sign, r.mark.style}, styled(plain, " %s ", r.phase))
			continue
		}
		if names != nil {
			lines, names = append(lines, append(line{span{"  ", plain}}, names...)), nil
		}
		lines = append(lines, r.line(now))
	}
	if names != nil {
		lines = append(lines, append(line{span{"  ", plain}}, names...))
	}
	return lines
}

func (r phaseRow) line(now time.Time) line {
	l := line{span{"  ", plain}, {r.mark.sign, r.mark.style}}
	switch r.mark {
	case toCome:
		return append(l, styled(dim, " %s", r.phase))
	case underWay:
		return append(l, styled(bold, " %-10s", r.phase), styled(plain, "  %s  %10s", clockText(r.started, now), tickingText(r.took)))
	}
	return append(l, styled(plain, " %-10s  %s  %10s", r.phase, clockText(r.started, now), spanText(r.took)))
}
