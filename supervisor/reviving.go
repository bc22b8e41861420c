package supervisor

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// errOldGone is why there is no way back.
var errOldGone = errors.New("the old master is gone, or was told to go")

// oldServes is the condition of Reviving: workers accept, and all of them are new.
// Those from before WINCH do not count: they may have been told to go. Only where
// WINCH was never taken they do. How many there were before says nothing: a
// reload that had just ended may have counted twice.
func (c *cycle) oldServes(context.Context) (bool, error) {
	if c.noWayBack() { // until it is reaped it looks like one without workers
		return false, errOldGone
	}
	signals, err := nginx.ReadSignals(c.old.PID)
	if err != nil {
		return false, errOldGone
	}
	tree, err := nginx.ReadTree(c.old.ID)
	if err != nil {
		return false, errOldGone
	}
	for _, w := range tree.With(nginx.RoleWorker, nginx.RoleStarting) {
		_, _ = c.hold(w.ID) // should old be killed, nobody else would know them
	}
	c.knowWorkers()
	fresh, known := c.oldWorkers(tree)
	if known == 0 {
		// A master forks all its workers before it waits for signals again.
		return fresh > 0 && len(tree.With(nginx.RoleStarting)) == 0 && signals.Waiting() && !c.freezing(), nil
	}
	return c.neverShifted(), nil
}

// oldWorkers counts old's accepting workers: those that were started since USR2
// and those that were there before. One of the latter whose title cannot be
// read is just writing another one: it is on its way out, but not out.
func (c *cycle) oldWorkers(tree nginx.Tree) (fresh, known int) {
	for _, w := range tree.With(nginx.RoleWorker, nginx.RoleStarting) {
		switch {
		case slices.Contains(c.rec.Old.Workers, w.ID):
			known++
		case w.Role == nginx.RoleWorker:
			fresh++
		}
	}
	return fresh, known
}

// unshifted is how long old's workers must go on accepting, with nothing left
// for old to do, until it is certain that no WINCH was on its way: a worker
// that is told to go says so within milliseconds.
const unshifted = 100 * time.Millisecond

// freezing reports whether workers that accept may be about to obey a WINCH that
// came after somebody else's HUP: then nothing can be read from their number.
func (c *cycle) freezing() bool { return time.Since(c.frozenAgain) < unshifted }

// neverShifted reports whether the successor went before WINCH was sent, so
// that old's workers never stopped.
func (c *cycle) neverShifted() bool {
	signals, err := nginx.ReadSignals(c.old.PID)
	gone := c.successor == nil || !c.successor.Alive()
	if !gone || err != nil || !signals.Waiting() {
		c.stable = time.Time{}
		return false
	}
	if c.stable.IsZero() {
		c.stable = time.Now()
	}
	return time.Since(c.stable) >= unshifted
}

// sendHUP is the act of Reviving. HUP makes a frozen master start its workers
// again, from the configuration that it has in memory.
func (c *cycle) sendHUP(ctx context.Context) error {
	if c.successor == nil || !c.successor.Alive() {
		return c.reviveAlone(ctx)
	}
	// WINCH and HUP that reach a master in one wake-up leave it without
	// workers: first WINCH must have had its effect.
	revived := false // by a HUP that was sent before
	err := c.runner().await(ctx, true, func(context.Context) (bool, error) {
		tree, err := nginx.ReadTree(c.old.ID)
		if err != nil {
			return false, errOldGone
		}
		signals, err := nginx.ReadSignals(c.old.PID)
		if err != nil || !signals.Waiting() {
			return false, nil
		}
		if fresh, known := c.oldWorkers(tree); known == 0 && !c.freezing() {
			// HUP may not be repeated, it doubles the workers.
			revived = fresh > 0 || len(tree.With(nginx.RoleStarting)) > 0
			return true, nil
		}
		if c.freezing() {
			return false, nil
		}
		return false, c.old.Signal(unix.SIGWINCH)
	})
	if err != nil || revived {
		return err
	}
	if !c.successor.Alive() { // meanwhile: old starts its workers by itself
		return c.reviveAlone(ctx)
	}
	c.hupSent = true
	return c.old.Signal(unix.SIGHUP)
}

// aloneFor is how long an old master may take to start its workers again after
// its successor's exit.
const aloneFor = 300 * time.Millisecond

// reviveAlone waits for a master to start its workers by itself, as it does
// when it notices that its successor is gone (ngx_reap_children). HUP would be
// a second set of them; USR1 only wakes it up. If WINCH came after the exit was
// noticed it starts none: then another successor, which goes at once, makes it.
func (c *cycle) reviveAlone(ctx context.Context) error {
	if err := c.old.Signal(unix.SIGUSR1); err != nil {
		return err
	}
	since := time.Now()
	again := false
	return c.runner().await(ctx, true, func(context.Context) (bool, error) {
		tree, err := nginx.ReadTree(c.old.ID)
		if err != nil {
			return false, errOldGone
		}
		if c.noWayBack() {
			return false, errOldGone // it starts none any more
		}
		fresh, known := c.oldWorkers(tree)
		if again {
			// What is about to become the successor looks like a worker that
			// starts.
			return fresh > 0, c.lateSuccessor()
		}
		if fresh+known+len(tree.With(nginx.RoleStarting)) > 0 {
			return !c.freezing(), nil
		}
		if time.Since(since) >= aloneFor {
			again, c.successor = true, nil
			return false, c.old.Signal(unix.SIGUSR2)
		}
		return false, nil
	})
}
