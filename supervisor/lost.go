package supervisor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// noWayBack reports whether old is gone or was told to go: then it has closed
// its listeners, and the successor, good or bad, is all that is left. Others send
// QUIT, too, so this is asked again before each step that cannot be undone. What
// it says once is for good: one that ends cannot be looked at for an instant.
func (c *cycle) noWayBack() bool {
	c.noWay = c.noWay || !c.old.Alive() || c.oldLeaves()
	return c.noWay
}

// oldLeaves reports whether old has closed its listeners.
func (c *cycle) oldLeaves() bool {
	held, err := c.old.HoldsAny(c.rec.Old.streams())
	if err != nil || held {
		return false
	}
	// A reload may have exchanged them all.
	left, err := c.old.Listeners()
	return err == nil && !c.accepts(left) && (len(c.rec.Old.Listeners) > 0 || c.successorStays())
}

// streams are the listeners that a master closes when it is told to go. QUIC
// sockets it keeps (ngx_close_listening_sockets), and they look like any other
// UDP socket.
func (g Generation) streams() []nginx.Listener {
	return slices.DeleteFunc(slices.Clone(g.Listeners), func(l nginx.Listener) bool { return l.Network == "udp" })
}

// accepts reports whether a master with these listeners was not told to go.
func (c *cycle) accepts(held []nginx.Listener) bool {
	if len(c.rec.Old.Listeners) > 0 && len(c.rec.Old.streams()) == 0 {
		return len(held) > 0
	}
	return len(Generation{Listeners: held}.streams()) > 0
}

// successorStays reports whether the successor serves and nobody has told it to
// go.
func (c *cycle) successorStays() bool {
	if c.successor == nil || !c.successor.Alive() || !c.dismissAt.IsZero() {
		return false
	}
	held, err := c.successor.Listeners()
	return err != nil || c.accepts(held)
}

// deserted reports whether neither master accepts connections any more.
func (c *cycle) deserted() bool { return c.noWayBack() && !c.successorStays() }

// goForward is the only way back without an old master: the kept binary takes
// the failed one's place, and the next cycle swaps to it.
func (c *cycle) goForward(ctx context.Context) (Result, error) {
	// A master that was frozen does not wait for the workers that it has started
	// again: in a moment it leaves them behind.
	select {
	case <-c.old.Exited():
	case <-time.After(unshifted):
	}
	c.clearOldBin()
	if result, why := c.unitEnds(ctx); result != "" {
		return c.finish(result, why), nil
	}
	if c.deserted() {
		c.tellDeserted()
	}
	if err := c.endOldWorkers(ctx); err != nil {
		return "", err
	}
	if !c.restoreDone {
		if c.rec.Condemned { // may take long, and is to be done whatever becomes of us
			_ = c.enter(Restoring) // it tells
		}
		if err := c.restore(ctx); err != nil {
			return "", err
		}
	}
	_, reason := c.ending()
	return c.lost(reason), nil
}

// lost is the end of a cycle without the old master. If the successor is no more
// either a person has to know.
func (c *cycle) lost(reason string) Result {
	if c.deserted() {
		c.s.deserted = reason
	}
	return c.finish(Lost, reason)
}

// tellDeserted is at once, whatever there is still to do: only a person may start
// nginx.
func (c *cycle) tellDeserted() {
	_, c.s.deserted = c.ending()
	c.s.audit().Cycle(EventRollback, c.rec, 0, "%s", c.s.deserted)
	c.s.raise()
}

// ending is the result of a way back and the reason for it: the old version serves,
// unless its master was told to go.
func (c *cycle) ending() (Result, string) {
	switch {
	case !c.noWayBack():
		return RolledBack, c.rec.Reason
	case c.old.Alive() && c.old.ID == c.rec.Old.ID():
		return Lost, fmt.Sprintf("%s; somebody has told old master %d to go, so there is no way back to it%s", c.rec.Reason, c.old.PID, c.withoutMaster())
	}
	return Lost, c.rec.Reason + "; the old master is gone, so there is no way back to it" + c.withoutMaster()
}

// withoutMaster says what is to be done when the successor goes, too: what the
// old master left behind serves, and stands in the way of a new one.
func (c *cycle) withoutMaster() string {
	if !c.deserted() {
		return ""
	}
	orphans := c.leftWorkers()
	start := "start nginx"
	if c.old.unit != nil { // it is active as long as one of them finishes something
		start = fmt.Sprintf("run `systemctl restart %s`", c.old.unit.Name())
	}
	if len(orphans) == 0 {
		return "; nobody accepts connections: " + start
	}
	pids := make([]int, len(orphans))
	for i, p := range orphans {
		pids[i] = p.PID
	}
	return fmt.Sprintf("; workers serve without a master: run `%s`, then %s", kill("QUIT", pids...), start)
}
