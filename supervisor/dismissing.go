package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// knowWorkers takes hold of the successor's workers as long as it can be asked
// for them: a reload has just replaced them, perhaps, and should it be killed,
// those that nobody knows would accept for ever. Its first ones are all known from
// Shifting on, not before: others are those of a reload then, if none has crashed.
func (c *cycle) knowWorkers() {
	if c.successor == nil || !c.successor.Alive() {
		return
	}
	tree, err := nginx.ReadTree(c.successor.ID)
	if err == nil && c.holdSuccessorWorkers(tree) && !c.rec.Condemned && len(c.crashes) == 0 && c.rec.entered(Shifting) {
		c.noteReload(tree) // it does not start others without a reason
	}
}

func ignoreGone(err error) error {
	if errors.Is(err, nginx.ErrGone) {
		return nil
	}
	return err
}

// orphans counts workers of a dead successor that still run, and asks each to
// finish: they have no master that would.
func (c *cycle) orphans() int {
	n := 0
	for id := range c.workers {
		p := c.watched[id]
		if !p.Alive() {
			continue
		}
		n++
		if !c.orphaned[id] {
			c.orphaned[id] = true
			_ = p.Signal(unix.SIGQUIT) // it may be gone
		}
	}
	return n
}

// unknownOrphans takes hold, once, of workers of the successor that nobody has
// seen before their master was killed.
func (c *cycle) unknownOrphans() bool {
	if c.searched {
		return false
	}
	c.searched = true
	found := successorOrphans(c.rec)
	for _, id := range found {
		if _, err := c.hold(id); err == nil {
			c.workers[id] = true
		}
	}
	return len(found) > 0
}

// successorOrphans finds workers without a master that run the successor's binary and
// hold a socket of the old master: they have it by USR2 or not at all.
func successorOrphans(rec *Record) []nginx.ID {
	found, err := nginx.Orphans(rec.Old.Listeners)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(found, func(id nginx.ID) bool {
		sha, err := nginx.HashExe(id.PID)
		return err != nil || sha != rec.Successor.SHA256 || slices.Contains(rec.Old.Workers, id)
	})
}

func (c *cycle) signalSuccessorWorkers(sig unix.Signal) {
	for id := range c.workers {
		_ = c.watched[id].Signal(sig) // it may be gone
	}
}

// endOldWorkers asks the workers of a killed old master to finish: nobody else
// ever would, and they would accept beside the successor for ever. Until that
// serves, and when it was told to go itself, they are all that does.
func (c *cycle) endOldWorkers(ctx context.Context) error {
	if c.old.Alive() || c.successor == nil || !c.dismissAt.IsZero() {
		return nil
	}
	limited, cancel := context.WithTimeoutCause(ctx, c.cfg.StartTimeoutSec, errLate)
	defer cancel()
	err := c.runner().await(limited, true, func(context.Context) (bool, error) {
		if err := c.successorLives(); err != nil {
			return false, err
		}
		ready, _, err := c.ready()
		return ready, err
	})
	if err != nil {
		return ctx.Err()
	}
	for _, p := range c.oldOrphans() {
		_ = p.Signal(unix.SIGQUIT) // it may be gone
	}
	return nil
}

// oldOrphans are the accepting workers of a killed old master: those from before
// USR2, and those that were seen on the way back.
func (c *cycle) oldOrphans() []*nginx.Process {
	for _, id := range c.rec.Old.Workers {
		_, _ = c.hold(id) // it may be gone
	}
	var found []*nginx.Process
	for id, p := range c.watched {
		if c.workers[id] || c.successor != nil && id == c.successor.ID || !p.Alive() {
			continue
		}
		if title, err := nginx.ReadTitle(id.PID); err == nil && title.Role == nginx.RoleWorker {
			found = append(found, p)
		}
	}
	return found
}
