package supervisor

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// lookAtWorkers takes hold of the successor's new workers and asks how those
// that are gone ended. It returns a bad sign when one crashed.
func (c *cycle) lookAtWorkers(tree nginx.Tree) error {
	if draining := tree.With(nginx.RoleDraining); len(draining) > 0 && c.replaced(tree, draining[0].ID) {
		c.noteReload(tree)
	}
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
		if !exit.Known {
			exit = c.loggedExit(c.rec.Successor.PID, id.PID)
		}
		if !exit.Known && c.askAgain(p) {
			continue
		}
		c.forget(id)
		if exit.Signal == 0 && exit.Code == 0 && c.replaced(tree, id) { // or not known
			c.noteReload(tree)
		}
		if condemns(exit) {
			c.crashes = append(c.crashes, time.Now())
			return condemning("worker %d of %s %v", id.PID, c.rec.Successor.Version, exit)
		}
	}
	return nil
}

// replaced reports whether a worker that goes has one of a later generation in its
// place: a master that reloads starts those before it lets the others go; one
// that was told to go itself starts none.
func (c *cycle) replaced(tree nginx.Tree, id nginx.ID) bool {
	return c.newest != 0 && id.Start <= c.newest && newestWorker(tree) > c.newest
}

// newestWorker is the start time of the youngest worker.
func newestWorker(tree nginx.Tree) uint64 {
	var newest uint64
	for _, w := range tree.With(nginx.RoleWorker, nginx.RoleStarting) {
		newest = max(newest, w.Start)
	}
	return newest
}

// noteReload is called when workers of the successor go as they do in a reload.
func (c *cycle) noteReload(tree nginx.Tree) {
	c.newest = newestWorker(tree)
	c.unchecked = true
	if !c.rec.Reloaded {
		c.rec.Reloaded = true
		c.save()
	}
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
// parent has reaped it, which is after its exit is noticed, and where the kernel does
// not, its parent's log tells a little later still.
func (c *cycle) askAgain(p *nginx.Process) bool {
	const pause, toWrite = 5 * time.Millisecond, 100 * time.Millisecond
	limit := reapLimit
	if p.Reaped() {
		limit = toWrite
	}
	now := time.Now()
	if end, ok := c.asked[p.ID]; !ok || end.After(now.Add(limit)) {
		c.asked[p.ID] = now.Add(limit)
	}
	if now.After(c.asked[p.ID]) {
		return false
	}
	time.AfterFunc(pause, c.poke)
	return true
}

// condemns reports whether a worker that ended like this was bad. SIGKILL and
// SIGTERM come from outside: the OOM killer, an administrator.
func condemns(e nginx.Exit) bool {
	return e.Crashed() && e.Signal != unix.SIGKILL && e.Signal != unix.SIGTERM
}
