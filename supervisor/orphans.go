package supervisor

import (
	"context"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

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

// endOrphans asks workers without a master to finish.
func endOrphans(orphans []nginx.ID) {
	for _, id := range orphans {
		if p, err := nginx.OpenID(id); err == nil {
			_ = p.Signal(unix.SIGQUIT) // it may be gone
			p.Close()
		}
	}
}

// leftWorkers are those of either master that accept although it was killed: nobody
// could start nginx beside them.
func (c *cycle) leftWorkers() []*nginx.Process {
	var found []*nginx.Process
	if !c.old.Alive() {
		found = c.oldOrphans()
	}
	if c.successor == nil || c.successor.Alive() {
		return found
	}
	for id := range c.workers {
		title, err := nginx.ReadTitle(id.PID)
		if err == nil && title.Role == nginx.RoleWorker && c.watched[id].Alive() {
			found = append(found, c.watched[id])
		}
	}
	return found
}
