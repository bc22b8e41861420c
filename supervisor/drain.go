package supervisor

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// crashLoop is the only bad sign while Draining: by then the build has served
// well for a while, and a single crash says little.
func (c *cycle) crashLoop() error {
	tree, err := nginx.ReadTree(c.successor.ID)
	if err != nil {
		return nil // successorLives tells
	}
	sign := c.lookAtWorkers(tree)
	const many, within = 3, 30 * time.Second
	recent := 0
	for _, at := range c.crashes {
		if time.Since(at) < within {
			recent++
		}
	}
	if sign == nil || recent < many {
		return nil
	}
	return condemning("%v, the %dth in %v", sign, recent, within)
}

// drain is the act of Draining: there is nothing to send, old workers finish
// by themselves.
func (c *cycle) drain(context.Context) error {
	// The clocks began when the phase was first entered, whoever was there.
	began := c.rec.since(Draining)
	c.draining = true
	c.keepUntil = c.alarm(began, c.keepOld())
	if c.cfg.ConfirmManual && !c.rec.Confirmed {
		c.confirmUntil = c.alarm(c.askedSince(), c.cfg.ConfirmTimeoutSec)
		c.s.publish(func(v *view) { v.note = "the old master waits" + c.untilConfirmed() })
	}
	c.drainUntil = c.alarm(began, c.cfg.DrainTimeoutSec)
	c.show(func(s *CycleStatus) {
		s.KeepUntil, s.ConfirmUntil, s.DrainUntil = moment(c.keepUntil), moment(c.confirmUntil), moment(c.drainUntil)
	})
	return nil
}

// alarm pokes a time span after a moment and returns the time; without end it
// is zero.
func (c *cycle) alarm(from time.Time, span time.Duration) time.Time {
	if span == Infinity {
		return time.Time{}
	}
	at := from.Add(span)
	time.AfterFunc(time.Until(at), c.poke)
	return at
}

// oldDrained is the condition of Draining.
func (c *cycle) oldDrained(ctx context.Context) (bool, error) {
	if !c.draining {
		return false, nil // not begun
	}
	if err := c.stillServes(ctx); err != nil {
		return false, err
	}
	if c.onlyOldListens() || c.leaves() {
		return true, nil
	}
	if ok, err := c.confirmed(); !ok {
		return false, err
	}
	tree, err := nginx.ReadTree(c.old.ID)
	if err != nil {
		// Somebody else has sent QUIT, which was ours to send next.
		return true, nil
	}
	left := forked(tree)
	for _, child := range left {
		if _, err := c.hold(child.ID); err != nil {
			c.poke() // it went in between: look again
		}
	}
	if len(left) > 0 {
		c.hurry(left)
		return false, nil
	}
	if !c.drained {
		c.drained = true
		c.s.audit().Cycle(EventDrained, c.rec, 0, "the last worker of old master %d has finished", c.old.PID)
	}
	return !c.keepUntil.IsZero() && !time.Now().Before(c.keepUntil) || c.newerWaits(ctx), nil
}

// stillServes looks for what is a reason to go back after the verdict.
func (c *cycle) stillServes(ctx context.Context) error {
	if err := c.successorLives(); err != nil {
		return err
	}
	if err := c.successorListens(); err != nil {
		return err
	}
	if err := c.crashLoop(); err != nil {
		return err
	}
	return c.byOthers(ctx)
}

// leaves reports whether the last act of this process is QUIT to old: a package
// manager must not wait for old's connections. systemd follows without help
// where it reads a pid file.
func (c *cycle) leaves() bool {
	return c.s.hook && (c.old.unit == nil || c.old.unitPIDFile != "")
}

// onlyOldListens looks once after each reload of the successor whether a listener
// was taken out of the configuration. As long as the frozen master holds it,
// clients that come there are neither answered nor refused: it has to go at
// once, and finishes its connections all the same.
func (c *cycle) onlyOldListens() bool {
	if !c.unchecked || c.cfg.ConfirmManual && !c.rec.Confirmed {
		return false
	}
	held, err := c.successor.Listeners()
	if err != nil || len(held) == 0 {
		return false // one that listens nowhere was told to go
	}
	c.unchecked = false
	missing := nginx.Missing(c.rec.Old.Listeners, held)
	if len(missing) == 0 {
		return false
	}
	c.s.audit().Cycle(EventReload, c.rec, 0, "since the reload %s does not listen on %s any more: old master %d, which still does, goes now",
		c.rec.Successor.Version, missing[0], c.old.PID)
	return true
}

func forked(tree nginx.Tree) []nginx.Child {
	var found []nginx.Child
	for _, child := range tree.Children {
		if !child.Executed {
			found = append(found, child)
		}
	}
	return found
}

// hurryOld is for an old master that was told to go before its workers had
// finished.
func (c *cycle) hurryOld() {
	if tree, err := nginx.ReadTree(c.old.ID); err == nil {
		c.hurry(forked(tree))
	}
}

// hurry ends old workers that have not finished by DrainTimeoutSec. Their
// master does not start others: WINCH has told it so.
func (c *cycle) hurry(left []nginx.Child) {
	if c.drainUntil.IsZero() || time.Now().Before(c.drainUntil) {
		return
	}
	signal := unix.SIGTERM
	if c.hurried {
		signal = unix.SIGKILL
	}
	c.hurried = true
	c.drainUntil = time.Now().Add(hurryPause)
	time.AfterFunc(hurryPause, c.poke)
	c.s.log.Warn(fmt.Sprintf("%s: DrainTimeoutSec=%s is over: %s sent to %s of old master %d, what they still do is cut",
		c.rec.Instance, FormatTimeSpan(c.cfg.DrainTimeoutSec), unix.SignalName(signal), plural(len(left), "worker"), c.old.PID))
	for _, child := range left {
		if p, err := c.hold(child.ID); err == nil {
			_ = p.Signal(signal) // it may be gone
		}
	}
}

// hurryPause is between TERM and KILL.
const hurryPause = 5 * time.Second
