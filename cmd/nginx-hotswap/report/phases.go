package report

import (
	"math"
	"time"
	"unicode/utf8"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

type phaseRow struct{ Phase, Class, What, Clock, Offset, Took string }

var whatPhasesDo = map[supervisor.Phase]string{
	supervisor.Verifying:  "looked at the candidate, tested the configuration with it",
	supervisor.Keeping:    "put the running build into the vault",
	supervisor.Starting:   "USR2: the successor starts, both accept",
	supervisor.Shifting:   "WINCH: only the successor accepts",
	supervisor.Soaking:    "probed the successor while it served alone",
	supervisor.Draining:   "old workers finish, the old master stays for a way back",
	supervisor.Retiring:   "QUIT: the old master goes, systemd follows the successor",
	supervisor.Reviving:   "HUP: the old master starts its workers again",
	supervisor.Returning:  "systemd follows the old master again",
	supervisor.Dismissing: "QUIT: the successor goes",
	supervisor.Restoring:  "the build is not to blame: what is on disk stays",
}

// restoringCondemned is what Restoring does with a build that is to blame; whether
// the kept one could take its place is in the log.
const restoringCondemned = "the kept binary takes the place of the condemned one on disk, or the log says why not"

func phaseClass(p supervisor.Phase) string {
	switch {
	case p.IsWayBack():
		return "back"
	case p == supervisor.Soaking || p == supervisor.Draining:
		return "wait"
	}
	return "act"
}

func (r Report) phases() (rows []phaseRow) {
	for _, s := range r.Record.Steps {
		what := whatPhasesDo[s.Phase]
		if s.Phase == supervisor.Restoring && r.Record.Condemned {
			what = restoringCondemned
		}
		rows = append(rows, phaseRow{plain(string(s.Phase)), phaseClass(s.Phase), what, r.clock(s.Started),
			r.offset(s.Started), span(time.Duration(s.DurationMS) * time.Millisecond)})
	}
	return rows
}

// format is for what width a drawing is made: it is scaled to the screen, and
// its text with it.
type format struct {
	name               string
	width, height      float64
	left, right        float64 // of the plot
	labels             float64 // of the bars
	ticks              int
	letter             float64 // about the width of one
	firstRow, rowSpace float64
}

var (
	wide   = format{name: "wide", width: 960, height: 290, left: 52, right: 20, labels: 104, ticks: 7, letter: 7.5, firstRow: 6, rowSpace: 26}
	narrow = format{name: "narrow", width: 320, height: 250, left: 40, right: 10, labels: 80, ticks: 4, letter: 7.5, firstRow: 6, rowSpace: 26}
)

// gantt is a row for each phase, one below the other as time goes on.
type gantt struct {
	Name          string
	Width, Height float64
	Left, Right   float64
	Axis          float64 // where it is
	Ticks         []tick
	Bars          []bar
	Labels        float64
}

type tick struct {
	At    float64
	Label string
	// Anchor keeps the labels at both ends inside.
	Anchor string
}

type bar struct {
	Label, Class, Took, Anchor string
	X, Y, Width, Text, Base    float64
}

const leastBar = 3 // so that a phase of a millisecond is seen

func (r Report) gantt(f format) gantt {
	steps := r.Record.Steps
	total := max(r.end().Sub(r.Record.Started), time.Millisecond)
	left, right := f.labels, f.width-f.right
	at := func(d time.Duration) float64 {
		return left + (right-left)*min(max(d.Seconds()/total.Seconds(), 0), 1)
	}
	g := gantt{Name: f.name, Width: f.width, Left: left, Right: right, Axis: f.firstRow + float64(len(steps))*f.rowSpace}
	g.Height = g.Axis + 24
	g.Labels = g.Axis + 17
	g.Ticks = ticksOf(0, total, f, at)
	for i, s := range steps {
		offset, took := s.Started.Sub(r.Record.Started), time.Duration(s.DurationMS)*time.Millisecond
		b := bar{Label: plain(string(s.Phase)), Class: phaseClass(s.Phase), Took: span(took), Y: f.firstRow + float64(i)*f.rowSpace}
		b.Base = b.Y + 15
		b.X = min(at(offset), right-leastBar)
		b.Width = max(at(offset+took)-b.X, leastBar)
		b.place(f, right)
		g.Bars = append(g.Bars, b)
	}
	return g
}

// place finds room for the time that a bar stands for: behind it, before it, or
// on it.
func (b *bar) place(f format, right float64) {
	need := tick{Label: b.Took}.wide(f.letter)
	switch {
	case b.X+b.Width+8+need <= right:
		b.Text, b.Anchor = b.X+b.Width+6, "start"
	case b.X-8-need >= f.labels:
		b.Text, b.Anchor = b.X-6, "end"
	default:
		b.Text, b.Anchor, b.Class = b.X+b.Width-8, "end", b.Class+" full"
	}
}

// ticksOf marks a time axis with offsets from the beginning of the cycle, with
// as many marks as there is room for.
func ticksOf(from, to time.Duration, f format, at func(time.Duration) float64) (ticks []tick) {
	for most := f.ticks; most > 0; most-- {
		ticks = nil
		for _, d := range timeTicks(from, to, most) {
			ticks = append(ticks, tick{At: at(d), Label: offset(d), Anchor: "middle"}.inside(at(from), at(to), f.letter))
		}
		if apart(ticks, f.letter) {
			break
		}
	}
	return ticks
}

// inside keeps a label from sticking out of the axis.
func (t tick) inside(left, right, letter float64) tick {
	half := t.wide(letter) / 2
	switch {
	case t.At-half < left:
		t.Anchor = "start"
	case t.At+half > right:
		t.Anchor = "end"
	}
	return t
}

func (t tick) wide(letter float64) float64 { return float64(utf8.RuneCountInString(t.Label)) * letter }

// apart reports whether no label touches the one before.
func apart(ticks []tick, letter float64) bool {
	edge := math.Inf(-1)
	for _, t := range ticks {
		left := t.At
		switch t.Anchor {
		case "middle":
			left -= t.wide(letter) / 2
		case "end":
			left -= t.wide(letter)
		}
		if left < edge {
			return false
		}
		edge = left + t.wide(letter) + letter
	}
	return true
}
