package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// plainView tells what happens line by line, for a pipe and for a terminal that
// cannot do more.
type plainView struct {
	w    io.Writer
	seen map[string]*toldOf
}

// toldOf is what was told of an instance.
type toldOf struct {
	found   bool // what runs
	reason  string
	cycle   string // its id
	back    bool   // that it goes back
	steps   int
	probes  map[string]string // what is wrong
	left    int               // connections
	counted time.Time         // when they were told
}

// drainPause is how often the drain is told of, unless it makes much progress.
const drainPause = 10 * time.Second

func newPlainView(w io.Writer) *plainView { return &plainView{w: w, seen: make(map[string]*toldOf)} }

func (*plainView) begin()   {}
func (*plainView) end()     {}
func (*plainView) resized() {}

// keep tells a line that is none of the view's own.
func (p *plainView) keep(text string) { fmt.Fprintln(p.w, printable(text)) }

func (p *plainView) show(list []supervisor.Status, now time.Time) {
	for _, s := range list {
		t := p.seen[s.Name]
		if t == nil {
			t = &toldOf{}
			p.seen[s.Name] = t
		}
		if !t.found && !isUnknown(s) {
			t.found = true
			p.say(s, now, "%s", runningText(s, now))
		}
		if s.Reason != t.reason {
			if t.reason = s.Reason; s.Reason != "" {
				p.say(s, now, "%s", s.Reason)
			}
		}
		if s.Cycle != nil {
			p.cycle(s, t, now)
		}
	}
}

func runningText(s supervisor.Status, now time.Time) string {
	if s.MainPID == 0 || s.Running.Since == nil {
		return "nothing runs"
	}
	return fmt.Sprintf("nginx %s runs as master %d since %s", orDash(s.Running.Version), s.MainPID, clockText(*s.Running.Since, now))
}

func (p *plainView) say(s supervisor.Status, at time.Time, format string, args ...any) {
	for text := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		fmt.Fprintf(p.w, "%s %s: %s\n", at.Format(time.TimeOnly), printable(s.Name), printable(text))
	}
}

// cycle tells what is new about a cycle.
func (p *plainView) cycle(s supervisor.Status, t *toldOf, now time.Time) {
	c := s.Cycle
	if t.cycle != c.ID {
		*t = toldOf{found: t.found, reason: t.reason, cycle: c.ID, probes: make(map[string]string), left: -1}
		p.say(s, c.Started.In(now.Location()), "cycle %s, by %s", c.ID, c.Origin)
	}
	for ; t.steps < len(c.Steps); t.steps++ {
		step := c.Steps[t.steps]
		if step.Phase.IsWayBack() {
			p.probes(s, t, now) // the cause comes first
			p.back(s, t, step.Started.In(now.Location()))
		}
		text := string(step.Phase)
		if step.Phase == supervisor.Starting { // what it is has just been read
			text += fmt.Sprintf(" %s beside %s", orDash(c.To), orDash(c.From))
		}
		p.say(s, step.Started.In(now.Location()), "%s", text)
	}
	p.probes(s, t, now)
	if c.Reason != "" {
		p.back(s, t, now)
	}
	p.drain(s, t, now)
}

// back tells once why a cycle goes back.
func (p *plainView) back(s supervisor.Status, t *toldOf, at time.Time) {
	if !t.back {
		t.back = true
		p.say(s, at, "back to %s: %s", s.Cycle.From, s.Cycle.Reason)
	}
}

// probes tells a failure when it is new.
func (p *plainView) probes(s supervisor.Status, t *toldOf, now time.Time) {
	for _, probe := range s.Cycle.Probes {
		if probe.Good {
			delete(t.probes, probe.Target)
			continue
		}
		if text, known := t.probes[probe.Target]; !known || text != probe.Text {
			t.probes[probe.Target] = probe.Text
			p.say(s, probe.Asked.In(now.Location()), "probe failed: %s", probeText(probe))
		}
	}
}

// drain tells how many connections are left: at first, when half of them have
// finished, and now and then.
func (p *plainView) drain(s supervisor.Status, t *toldOf, now time.Time) {
	d, ok := drainOf(s, now)
	if !ok || d.left == t.left {
		return
	}
	if t.left < 0 || 2*d.left <= t.left || now.Sub(t.counted) >= drainPause {
		t.left, t.counted = d.left, now
		p.say(s, now, "%s", d.text())
	}
}
