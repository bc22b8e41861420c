package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// canvas is what a status is drawn on. Where the height is limited the picture
// stays, and ages that nobody would count up are written as times.
type canvas struct {
	width, height int // 0 is without end
	color         bool
}

// detail is what there is room for.
type detail struct {
	workers, phases, probes bool
	reasons                 int // lines of a reason
}

// details go from all to what is told in any case.
var details = []detail{
	{workers: true, phases: true, probes: true, reasons: 12},
	{phases: true, probes: true, reasons: 3},
	{phases: true, reasons: 2},
	{reasons: 2},
	{reasons: 1},
}

// render draws the instances: a table, then what is to be said about each.
func render(list []supervisor.Status, now time.Time, c canvas) []string {
	var lines []line
	for _, d := range details {
		if lines = c.lines(list, now, d); c.height == 0 || len(lines) <= c.height {
			break
		}
	}
	if c.height > 0 && len(lines) > c.height {
		more := len(lines) - c.height + 1
		lines = append(lines[:c.height-1], line{styled(dim, "… and %s more", counted(more, "line"))})
	}
	texts := make([]string, len(lines))
	for i, l := range lines {
		texts[i] = l.fit(c.width).text(c.color)
	}
	return texts
}

func (c canvas) lines(list []supervisor.Status, now time.Time, d detail) []line {
	if len(list) == 0 {
		return []line{plainLine("There is no instance: " + noInstance + "."), plainLine(addInstance)}
	}
	lines := tableLines(c.columns(list, now), c.width)
	for _, s := range list {
		if block := c.block(s, now, d); len(block) > 0 {
			lines = append(append(lines, nil), block...)
		}
	}
	return lines
}

func (c canvas) columns(list []supervisor.Status, now time.Time) []column {
	columns := []column{{title: "INSTANCE"}, {title: "RUNNING"}, {title: "MASTER", rank: 4}, {title: "SINCE", rank: 3},
		{title: "DISK", rank: 1}, {title: "PHASE"}, {title: "LAST CYCLE", rank: 2}}
	for _, s := range list {
		for i, cell := range []span{
			styled(plain, "%s", s.Name), styled(plain, "%s", orDash(s.Running.Version)), styled(plain, "%s", pidOrDash(s.MainPID)),
			styled(plain, "%s", c.age(s.Running.Since, now)), styled(diskStyle(s), "%s", diskText(s)),
			styled(phaseStyle(s.Phase), "%s", s.Phase), c.last(s.Last, now),
		} {
			columns[i].cells = append(columns[i].cells, cell)
		}
	}
	return columns
}

// age is when something began.
func (c canvas) age(t *time.Time, now time.Time) string {
	switch {
	case t == nil:
		return "-"
	case c.height > 0:
		return clockText(*t, now)
	}
	return agoText(now.Sub(*t)) + " ago"
}

func (c canvas) last(l *supervisor.LastStatus, now time.Time) span {
	if l == nil {
		return span{"-", plain}
	}
	return styled(resultStyle(l.Result), "%s %s", l.Result, c.age(l.Finished, now))
}

func diskStyle(s supervisor.Status) style {
	if s.Pending {
		return yellow
	}
	return plain
}

func phaseStyle(p supervisor.Phase) style {
	switch {
	case p == supervisor.Idle:
		return dim
	case p.IsWayBack():
		return red
	}
	return cyan
}

func resultStyle(r supervisor.Result) style {
	switch r {
	case supervisor.Upgraded, supervisor.Adopted:
		return green
	case supervisor.Deferred:
		return yellow
	}
	return red
}

// block is what the line in the table cannot tell: why something waits, the
// cycle that runs, and both generations while there are two.
func (c canvas) block(s supervisor.Status, now time.Time, d detail) []line {
	var lines []line
	for _, text := range reasons(s) {
		color := plain
		if s.Alert != "" {
			color = yellow
		}
		lines = c.wrapped(lines, color, s.Name+": "+text, d.reasons)
	}
	if s.Cycle != nil {
		lines = append(lines, c.cycleLines(s, now, d)...)
	}
	if len(s.Masters) > 1 {
		if s.Cycle == nil {
			lines = append(lines, plainLine("%s: %s", s.Name, counted(len(s.Masters), "master")))
		}
		lines = append(lines, treeLines(s.Masters, d.workers, c.width)...)
	}
	return lines
}

// reasons tell why something is not as one may expect.
func reasons(s supervisor.Status) []string {
	var texts []string
	if s.Reason != "" && s.Reason != justHeld {
		texts = append(texts, s.Reason)
	}
	if isUnknown(s) {
		texts = append(texts, stillLooking)
	}
	if s.Alert != "" && !strings.Contains(s.Reason, s.Alert) {
		texts = append(texts, "needs a person: "+s.Alert)
	}
	switch unhold := " until `nginx-hotswap unhold " + s.Name + "`"; {
	case s.Reason == justHeld:
		texts = append(texts, "held: what is on disk waits"+unhold)
	case s.Held: // the reason may be from before
		texts = append(texts, "held: nothing is upgraded"+unhold)
	}
	return texts
}

// justHeld is the reason of a supervisor that would upgrade if it were not held.
const justHeld = "held"

// stillLooking is what a daemon knows that has just been started.
const stillLooking = "the daemon is still looking for it"

// isUnknown tells an nginx that nobody has looked for yet from one that does not
// run: there is a reason for that.
func isUnknown(s supervisor.Status) bool {
	return s.MainPID == 0 && s.Reason == "" && s.Cycle == nil
}

func (c canvas) cycleLines(s supervisor.Status, now time.Time, d detail) []line {
	head := fmt.Sprintf("%s: %s to %s, by %s", s.Name, orDash(s.Cycle.From), orDash(s.Cycle.To), s.Cycle.Origin)
	lines := c.wrapped(nil, bold, head, d.reasons)
	if s.Cycle.Reason != "" {
		lines = c.wrapped(lines, red, "back to "+s.Cycle.From+": "+s.Cycle.Reason, d.reasons)
	}
	lines = append(lines, phaseLines(s, now, d.phases)...)
	lines = append(lines, clockLines(s, now, c.width)...)
	if left, ok := drainOf(s, now); ok && !hasEnded(s) {
		lines = append(lines, left.lines(c.width)...)
	}
	return append(lines, probeLines(s.Cycle.Probes, now, d.probes, c.width)...)
}

// wrapped adds a text, in at most so many lines where the height is limited. Its own
// lines stay, commands to paste among them, and all but the first are set in.
func (c canvas) wrapped(lines []line, s style, text string, most int) []line {
	var parts []string
	for i, part := range strings.Split(text, "\n") {
		words, indent := strings.TrimSpace(part), ""
		if i > 0 {
			indent = "  " + part[:len(part)-len(strings.TrimLeft(part, " "))]
		}
		width := c.width
		if width > 0 {
			width = max(1, width-len(indent))
		}
		for _, fitting := range wrap(words, width) {
			parts = append(parts, indent+fitting)
		}
	}
	if c.height > 0 && len(parts) > most {
		parts = append(parts[:most-1], parts[most-1]+" …")
	}
	for _, part := range parts {
		lines = append(lines, line{span{part, s}}.fit(c.width))
	}
	return lines
}
