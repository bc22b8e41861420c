package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// drain is what the old workers have left to do.
type drain struct {
	left, total int // connections
	workers     int
	older       time.Duration // each connection is older than that
}

// drainOf says how far the drain is, from WINCH on and on the way there.
func drainOf(s supervisor.Status, now time.Time) (drain, bool) {
	var d drain
	since, ok := acceptedNoMore(s.Cycle.Steps)
	if !ok {
		return d, false
	}
	for _, m := range s.Masters {
		if m.Role != "old" {
			continue
		}
		for _, w := range m.Workers {
			if w.Draining {
				d.workers++
				d.left += w.Connections
			}
		}
	}
	d.total, d.older = max(s.Cycle.Connections, d.left), now.Sub(since)
	return d, true
}

// acceptedNoMore is when the last old worker stopped accepting: the end of
// Shifting. The kernel does not tell when a connection was accepted; before that
// moment is all that is known.
func acceptedNoMore(steps []supervisor.StepRecord) (at time.Time, ok bool) {
	for i, step := range steps {
		if step.Phase.IsWayBack() {
			return at, false
		}
		if i > 0 && steps[i-1].Phase == supervisor.Shifting {
			at, ok = step.Started, step.Phase != supervisor.Shifting
		}
	}
	return at, ok
}

func (d drain) text() string {
	switch {
	case d.workers == 0 && d.total == 0:
		return "the old workers are gone"
	case d.workers == 0:
		return "the old workers are gone, their " + counted(d.total, "connection") + " finished"
	case d.left == 0:
		return fmt.Sprintf("no connection left, %s about to go", counted(d.workers, "old worker"))
	case d.left == 1:
		return fmt.Sprintf("1 of %s left, older than %s", counted(d.total, "connection"), tickingText(d.older))
	}
	return fmt.Sprintf("%d of %s left, each older than %s", d.left, counted(d.total, "connection"), tickingText(d.older))
}

// lines is a bar of what has finished, with the numbers beside it or, on a
// narrow screen, below.
func (d drain) lines(width int) []line {
	long := 20
	finished := long
	if d.total > 0 && d.workers > 0 {
		finished = long * (d.total - d.left) / d.total
	}
	bar := line{span{"  ", plain}, {strings.Repeat("█", finished), cyan}, {strings.Repeat("░", long-finished), dim}}
	if width == 0 || bar.cells()+1+cells(d.text()) <= width {
		return []line{append(bar, styled(plain, " %s", d.text()))}
	}
	return append([]line{bar}, indented(plain, d.text(), width)...)
}

// ever is longer than anything that is waited for: a time that far away is the end
// of what has none.
const ever = 10 * 365 * 24 * time.Hour

// clockLines tell what a phase waits for, by the clock.
func clockLines(s supervisor.Status, now time.Time, width int) []line {
	c := s.Cycle
	if len(c.Steps) == 0 || hasEnded(s) {
		return nil
	}
	var lines []line
	add := func(until *time.Time, format string) {
		if until != nil && until.After(now) && until.Sub(now) < ever {
			// A span that shrinks ends with what was begun of its last second.
			left := tickingText(until.Sub(now) + time.Second - 1)
			lines = append(lines, indented(plain, fmt.Sprintf(format, left), width)...)
		}
	}
	switch c.Steps[len(c.Steps)-1].Phase {
	case supervisor.Soaking:
		add(c.SoakUntil, "the verdict in %s at the earliest")
	case supervisor.Draining:
		add(c.KeepUntil, "the old master is kept for another %s")
		add(c.ConfirmUntil, "unconfirmed, the old version comes back in %s")
		add(c.DrainUntil, "old workers that have not finished are ended in %s")
	}
	return lines
}

// indented is a text below a line that begins at the margin.
func indented(s style, text string, width int) []line {
	var lines []line
	for _, part := range wrap(text, max(width-2, min(width, 1))) {
		lines = append(lines, line{span{"  ", plain}, {part, s}})
	}
	return lines
}
