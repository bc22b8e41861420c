package supervisor

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// soak is the act of Soaking: the clock starts, everything else is watching.
func (c *cycle) soak(context.Context) error {
	c.soakFrom = time.Now()
	time.AfterFunc(c.cfg.SoakSec, c.poke)
	c.openLogs(c.successor)
	c.startProbes()
	return nil
}

// soaked is the condition of Soaking: SoakSec without a bad sign.
func (c *cycle) soaked(context.Context) (bool, error) {
	if c.soakFrom.IsZero() {
		return false, nil // not begun; a cycle that is resumed soaks anew
	}
	if err := c.badSign(); err != nil {
		return false, err
	}
	if err := c.probed(); err != nil {
		return false, err
	}
	if time.Since(c.soakFrom) < c.cfg.SoakSec || !c.probesSatisfied() {
		return false, nil
	}
	c.verdict = true
	c.leaveLine()
	c.s.audit().Cycle(EventVerdict, c.rec, time.Since(c.soakFrom), "verdict good after %v, %s, %d crashes; old master %d is kept %s",
		since(c.soakFrom), c.probesText(), len(c.crashes), c.old.PID, c.keptHow())
	c.s.answer(WaitVerdict, Outcome{Code: ExitOK, Text: fmt.Sprintf("upgraded %s to %s: it serves, the old master %d finishes its connections",
		c.rec.Old.Version, c.rec.Successor.Version, c.old.PID), Cycle: c.rec.ID, Result: Upgraded})
	return true, nil
}

// keepOld is how long the old master stays frozen after the verdict. A command
// without a daemon behind it does not stay for that alone.
func (c *cycle) keepOld() time.Duration {
	if c.s.oneShot == WaitVerdict {
		return 0
	}
	return c.cfg.KeepOldSec
}

func (c *cycle) probesText() string {
	if c.prober == nil || len(c.prober.asked) == 0 {
		return "no probes"
	}
	return plural(c.prober.total, "round") + " of probes"
}

func (c *cycle) keptHow() string {
	if c.cfg.ConfirmManual && !c.rec.Confirmed {
		return fmt.Sprintf("until `nginx-hotswap confirm %s`, or for %s and then comes back", c.rec.Instance, FormatTimeSpan(c.cfg.ConfirmTimeoutSec))
	}
	return "for " + FormatTimeSpan(c.keepOld())
}

// badSign looks for what condemns a successor while it serves.
func (c *cycle) badSign() error {
	if err := c.successorLives(); err != nil {
		return err
	}
	tree, err := nginx.ReadTree(c.successor.ID)
	if err != nil {
		return fmt.Errorf("successor %d is gone: %w", c.successor.PID, err)
	}
	return c.lookAtWorkers(tree)
}

// lookAtWorkers takes hold of the successor's new workers and asks how those
// that are gone ended. It returns a bad sign when one crashed.
func (c *cycle) lookAtWorkers(tree nginx.Tree) error {
	c.reloaded = c.reloaded || len(tree.With(nginx.RoleDraining)) > 0
	if c.holdSuccessorWorkers(tree) {
		c.rec.Successor.Workers = identities(tree.With(nginx.RoleWorker, nginx.RoleStarting))
		c.save()
	}
	for id := range c.workers {
		p := c.watched[id]
		if p.Alive() {
			continue
		}
		exit := p.Exit()
		if !exit.Known && c.askAgain(id) {
			continue
		}
		if !exit.Known {
			exit = c.loggedExit(id.PID)
		}
		c.forget(id)
		c.reloaded = c.reloaded || exit.Known && exit.Signal == 0 && exit.Code == 0
		if condemns(exit) {
			c.crashes = append(c.crashes, time.Now())
			return condemning("worker %d of %s %v", id.PID, c.rec.Successor.Version, exit)
		}
	}
	return nil
}

// holdSuccessorWorkers reports whether there were new ones.
func (c *cycle) holdSuccessorWorkers(tree nginx.Tree) (fresh bool) {
	for _, child := range tree.With(nginx.RoleWorker, nginx.RoleStarting) {
		if c.workers[child.ID] {
			continue
		}
		// One that is gone already will be asked for when the next is seen.
		if _, err := c.hold(child.ID); err == nil {
			c.workers[child.ID], fresh = true, true
		}
	}
	return fresh
}

func (c *cycle) forget(id nginx.ID) {
	c.watched[id].Close()
	delete(c.watched, id)
	delete(c.workers, id)
	delete(c.asked, id)
}

// save writes the record. Nothing depends on it at once, so a failure is told
// and the cycle goes on.
func (c *cycle) save() {
	if err := c.s.store.SaveRunning(c.rec); err != nil {
		c.s.log.Error("cannot write the record, the cycle goes on", "error", err)
	}
}

// askAgain looks a little later: the kernel tells how a process ended once its
// parent has reaped it, which is after its exit is noticed.
func (c *cycle) askAgain(id nginx.ID) bool {
	const pause, times = 5 * time.Millisecond, 20
	if c.asked[id]++; c.asked[id] > times {
		return false
	}
	time.AfterFunc(pause, c.poke)
	return true
}

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

// condemns reports whether a worker that ended like this was bad. SIGKILL and
// SIGTERM come from outside: the OOM killer, an administrator.
func condemns(e nginx.Exit) bool {
	return e.Crashed() && e.Signal != unix.SIGKILL && e.Signal != unix.SIGTERM
}

// drain is the act of Draining: there is nothing to send, old workers finish
// by themselves.
func (c *cycle) drain(context.Context) error {
	// The clocks began when the phase was first entered, whoever was there.
	began := c.rec.since(Draining)
	c.draining = true
	c.keepUntil = c.alarm(began, c.keepOld())
	if c.cfg.ConfirmManual {
		c.confirmUntil = c.alarm(began, c.cfg.ConfirmTimeoutSec)
	}
	c.drainUntil = c.alarm(began, c.cfg.DrainTimeoutSec)
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
func (c *cycle) oldDrained(context.Context) (bool, error) {
	if !c.draining {
		return false, nil // not begun
	}
	if err := c.successorLives(); err != nil {
		return false, err
	}
	if err := c.crashLoop(); err != nil {
		return false, err
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
	return !c.keepUntil.IsZero() && !time.Now().Before(c.keepUntil), nil
}

// confirmed is the part of Draining that waits for a person.
func (c *cycle) confirmed() (bool, error) {
	if !c.cfg.ConfirmManual || c.rec.Confirmed {
		return true, nil
	}
	if !c.confirmUntil.IsZero() && !time.Now().Before(c.confirmUntil) {
		return false, errUnconfirmed
	}
	return false, nil
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
