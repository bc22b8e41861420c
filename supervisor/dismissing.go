package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// dismiss is the act of Dismissing.
func (c *cycle) dismiss(context.Context) error {
	// A script may have told old to go since the way back began.
	if c.noWayBack() {
		return errOldGone
	}
	c.beginDismissal()
	return c.quitSuccessor()
}

// scriptPause is how long a dismissed successor may finish what it does when a
// package's script may be under way: some seconds after USR2 that sends QUIT to
// the master in .oldbin without looking, and there must be no such file by then.
const scriptPause = 500 * time.Millisecond

// beginDismissal starts the clock.
func (c *cycle) beginDismissal() {
	c.killed, c.dismissAt, c.dismissLimit = 0, time.Now(), c.cfg.DismissTimeoutSec
	if c.scriptRuns() {
		c.dismissLimit = min(c.dismissLimit, scriptPause)
	}
}

// scriptRuns reports whether somebody else may be about to end the old master.
func (c *cycle) scriptRuns() bool {
	if c.rec.Origin == OriginForeign || c.rec.Origin == OriginRPM {
		return true
	}
	lock, err := TransactionRuns(c.s.locks)
	return err == nil && lock != ""
}

// quitSuccessor asks the successor to go.
func (c *cycle) quitSuccessor() error {
	if c.successor == nil {
		return nil
	}
	c.quitAsked = time.Now()
	return ignoreGone(c.successor.Signal(c.quit()))
}

// quitPause is between two QUITs to a successor that has not obeyed.
const quitPause = 100 * time.Millisecond

// quitAgain repeats QUIT as long as the successor listens. One that comes between
// the set-up of its handlers and its first wait for signals is noted and then
// slept over, like any signal to a master that starts (ngx_master_process_cycle).
func (c *cycle) quitAgain() error {
	if c.successor == nil || !c.successor.Alive() || time.Since(c.quitAsked) < quitPause {
		return nil
	}
	if listens, err := c.successor.HoldsAny(c.rec.Old.Listeners); err != nil || !listens {
		return nil
	}
	return c.quitSuccessor()
}

// lateSuccessor finds a successor that was not seen before it was to be
// dismissed.
func (c *cycle) lateSuccessor() error {
	if c.successor != nil {
		return c.quitAgain()
	}
	tree, err := nginx.ReadTree(c.old.ID)
	if err != nil {
		return errOldGone
	}
	for _, child := range c.newcomers(tree) {
		p, err := c.hold(child.ID)
		if errors.Is(err, nginx.ErrGone) {
			continue
		}
		if err != nil {
			return err
		}
		c.successor = p
		c.rec.Successor.PID, c.rec.Successor.Start = p.PID, p.Start
		return c.quitSuccessor()
	}
	return nil
}

// successorDismissed is the condition of Dismissing.
func (c *cycle) successorDismissed(ctx context.Context) (bool, error) {
	if c.noWayBack() {
		return false, errOldGone
	}
	if c.dismissAt.IsZero() {
		return false, nil
	}
	if err := errors.Join(c.lateSuccessor(), c.relinkUnixListeners()); err != nil {
		return false, err
	}
	c.knowWorkers()
	if c.successor == nil && !c.usr2At.IsZero() && !c.usr2Done() {
		return false, c.escalate()
	}
	if c.successor != nil && c.successor.Alive() || c.orphans() > 0 || c.unknownOrphans() {
		c.keepFollowed(ctx)
		return false, c.escalate()
	}
	if err := c.restoreUnixListeners(); err != nil {
		return false, err
	}
	// Old renames its pid file back when it notices the exit.
	if pid, err := nginx.ReadPIDFile(c.old.root, c.old.pidFile); err == nil && pid == c.old.PID {
		return true, nil
	}
	c.returnPIDFile()
	return false, c.escalate()
}

// startGrace is how long a successor that does not come up may take to notice
// QUIT. It blocks that signal while it starts, so one that hangs notices never.
const startGrace = time.Second

// escalate ends a successor that does not go by itself.
func (c *cycle) escalate() error {
	waited := time.Since(c.dismissAt)
	if c.successor != nil && c.successor.Alive() && waited >= startGrace {
		// Only while it starts may its master be killed: later its
		// workers would stay behind and accept for ever.
		if title, err := nginx.ReadTitle(c.successor.PID); err == nil && title.Role == nginx.RoleStarting {
			return ignoreGone(c.successor.Signal(unix.SIGKILL))
		}
	}
	if waited >= c.dismissLimit && c.killed == 0 {
		c.killed = 1
		c.signalSuccessorWorkers(unix.SIGTERM)
	}
	if waited >= plus(c.dismissLimit, c.limits.ofHurry()) && c.killed == 1 {
		c.killed = 2
		c.signalSuccessorWorkers(unix.SIGKILL)
	}
	if waited >= plus(c.dismissLimit, 4*c.limits.ofHurry()) {
		return fmt.Errorf("successor %d does not go, or the pid file %s does not name %d again: %w",
			c.rec.Successor.PID, c.old.pidFile, c.old.PID, errLate)
	}
	return nil
}

func ignoreGone(err error) error {
	if errors.Is(err, nginx.ErrGone) {
		return nil
	}
	return err
}
