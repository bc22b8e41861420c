package supervisor

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/internal/probe"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

const (
	defaultProbeInterval  = time.Second
	defaultProbeThreshold = 3
)

// round is the outcome of asking once.
type round struct {
	target    string
	text      string // what is wrong, or ""
	unasked   string // why the question could not be put, or ""
	threshold int
	at        time.Time
	took      time.Duration
}

// prober asks the successor while it soaks. Asking takes time, so it has
// goroutines of its own, one for each question; they end with the verdict.
type prober struct {
	in      *probe.Namespace
	ctx     context.Context // the goroutines live as long as this one
	stop    context.CancelFunc
	rounds  chan round
	asked   map[string]int // rounds by question
	streaks map[int]*probe.Streak
	total   int
}

// learn asks the running master before USR2 what the successor must answer too.
// With probes in the configuration it is not done: they say what is good.
func (c *cycle) learn(ctx context.Context) {
	if len(c.cfg.Probes) > 0 || !c.cfg.Differential {
		return
	}
	in, err := probe.OpenNamespace(c.old.PID)
	if err != nil {
		c.s.log.Debug("no differential probe", "error", err)
		return
	}
	defer in.Close()
	learner := probe.Learner{In: in, Root: fmt.Sprintf("/proc/%d/root", c.old.PID),
		Names: c.old.files.ServerNames(c.old.root, maxNames)}
	c.rec.Expected = learner.Learn(ctx, c.rec.Old.Listeners)
	for _, why := range c.rec.Expected.LeftOut {
		c.s.log.Debug("not compared: " + why)
	}
}

// maxNames bounds the server names that are asked for at each listener.
const maxNames = 16

// startProbes begins to ask, as soon as only the successor can answer.
func (c *cycle) startProbes() {
	in, err := probe.OpenNamespace(c.successor.PID)
	if err != nil {
		c.s.log.Warn("no probes: "+err.Error(), fieldInstance, c.rec.Instance)
		return
	}
	ctx, stop := context.WithCancel(c.ctx)
	c.prober = &prober{in: in, ctx: ctx, stop: stop, rounds: make(chan round, 16), asked: make(map[string]int), streaks: make(map[int]*probe.Streak)}
	for _, p := range c.cfg.Probes {
		c.prober.asked[p.target(in).String()] = 0
		go c.ask(p.target(in), p, c.mayRun(p.target(in)))
	}
	if d := c.rec.Expected; d != nil && len(d.Expectations) > 0 {
		d.In = in
		for i := range d.Expectations {
			// The way to a unix socket must not lead through the old
			// master, which may go.
			t := &d.Expectations[i].Target
			t.Unix = masterRoot.ReplaceAllString(t.Unix, fmt.Sprintf("/proc/%d/root", c.successor.PID))
		}
		c.prober.asked[differentialName] = 0
		go c.compareAnswers(d)
	}
}

// masterRoot is the root directory of some master at the beginning of a path.
var masterRoot = regexp.MustCompile(`^/proc/[0-9]+/root`)

const differentialName = "differential probe"

// ask puts one question again and again, unless it may not be put.
func (c *cycle) ask(t probe.Target, p ProbeConfig, forbidden error) {
	interval := cmp.Or(p.IntervalSec, defaultProbeInterval)
	for {
		r := round{target: t.String(), threshold: cmp.Or(p.FailureThreshold, defaultProbeThreshold), at: time.Now()}
		if forbidden != nil {
			r.unasked = forbidden.Error()
		} else if a := t.Ask(c.prober.ctx); !a.Asked() {
			r.unasked = a.Text
		} else if !t.Accepts(a) {
			r.text = fmt.Sprintf("%s: %s", t, a.Text)
		}
		if !c.tellRound(r, interval) {
			return
		}
	}
}

// mayRun refuses a program that another user could have written.
func (c *cycle) mayRun(t probe.Target) error {
	if len(t.Exec) == 0 {
		return nil
	}
	host, err := nginx.HostRoot()
	if err != nil {
		return err
	}
	defer host.Close()
	trail, err := host.Walk(t.Exec[0])
	if err != nil {
		return err
	}
	trusted, err := c.s.trusted()
	if err != nil {
		return err
	}
	return checkTrail(trail, trusted)
}

// compareAnswers asks what was asked before USR2. That a server behind nginx
// is down is no fault of the build.
func (c *cycle) compareAnswers(d *probe.Differential) {
	for {
		r := round{target: differentialName, threshold: defaultProbeThreshold, at: time.Now()}
		for _, m := range d.Check(c.prober.ctx) {
			if m.Upstream() {
				c.s.log.Info(fmt.Sprintf("%s: %s is taken for an outage behind nginx", c.rec.Instance, m))
				continue
			}
			r.text = m.String()
			break
		}
		if !c.tellRound(r, defaultProbeInterval) {
			return
		}
	}
}

// tellRound hands over a result and waits for the time of the next question.
func (c *cycle) tellRound(r round, interval time.Duration) bool {
	r.took = time.Since(r.at)
	select {
	case c.prober.rounds <- r:
		c.poke()
	case <-c.prober.ctx.Done():
		return false
	}
	select {
	case <-time.After(interval):
		return true
	case <-c.prober.ctx.Done():
		return false
	}
}

// probed takes in what the probes have found. An error is a bad sign.
func (c *cycle) probed() error {
	if c.prober == nil {
		return nil
	}
	for {
		select {
		case r := <-c.prober.rounds:
			if err := c.note(r); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (c *cycle) note(r round) error {
	c.prober.asked[r.target]++
	c.prober.total++
	c.showRound(r)
	if r.target == differentialName && c.rec.Reloaded {
		return nil // another configuration may answer otherwise
	}
	if r.unasked != "" {
		// It says nothing about the successor, neither good nor bad.
		if c.prober.asked[r.target] == 1 {
			c.s.log.Warn(fmt.Sprintf("%s: probe %s cannot be asked: %s", c.rec.Instance, r.target, r.unasked), fieldCycle, c.rec.ID)
		}
		return nil
	}
	streak := c.prober.streaks[r.threshold]
	if streak == nil {
		streak = &probe.Streak{Threshold: r.threshold}
		c.prober.streaks[r.threshold] = streak
	}
	if r.text != "" && c.exhausted() {
		return nil
	}
	if r.text != "" {
		c.s.log.Info(fmt.Sprintf("%s: probe: %s", c.rec.Instance, r.text), fieldCycle, c.rec.ID)
	}
	if streak.Note(r.target, r.text == "") {
		return condemning("%s of %s, %d times in a row", r.text, c.rec.Successor.Version, r.threshold)
	}
	return nil
}

// probesSatisfied reports whether every question was answered at least once and
// none is failing just now.
func (c *cycle) probesSatisfied() bool {
	if c.prober == nil {
		return true
	}
	for _, rounds := range c.prober.asked {
		if rounds == 0 {
			return false
		}
	}
	for _, streak := range c.prober.streaks {
		if streak.Failing() {
			return false
		}
	}
	return true
}
