package supervisor

import (
	"context"
	"fmt"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// adoptForeign makes the upgrade ours from USR2 on.
func (s *Supervisor) adoptForeign(ctx context.Context, rec *Record, condemned bool) {
	s.audit().Cycle(EventForeign, rec, 0, "somebody else has sent USR2 to master %d: %s runs as %d and is judged as if it were ours",
		rec.Old.PID, rec.Successor.Version, rec.Successor.PID)
	if m := s.current; m.pidFile == "" {
		m.pidFile = m.likelyPIDFile(s.instance.PIDFile) // until old is alone it names the successor
	}
	c := s.newCycle(ctx, s.current, rec)
	defer c.close()
	c.usr2At = rec.Started
	files := s.files(rec.Successor.Key())
	var result Result
	successor, err := c.hold(rec.Successor.ID())
	if err == nil {
		c.successor = successor
		id := rec.Successor.ID()
		s.publish(func(v *view) { v.successor = &id })
		c.openLogs(s.current.Process)
		if condemned {
			result, err = c.goBack(ctx, Dismissing, errForeign)
		} else {
			result, err = c.run(ctx, Starting)
		}
	}
	s.concluded(c, result, files+c.atEnd)
	if err != nil {
		s.log.Info(fmt.Sprintf("%s: the cycle is interrupted and will be continued", s.instance.Name), "cause", err)
	}
}

// dismissForeign ends a successor that a package's script has started from the
// condemned binary while that could not be replaced yet.
func (c *cycle) dismissForeign(ctx context.Context) error {
	tree, err := nginx.ReadTree(c.old.ID)
	if err != nil {
		return nil // old is gone, and nobody is its successor any more
	}
	for _, child := range c.newcomers(tree) {
		if c.successor != nil && child.ID == c.successor.ID && c.noWayBack() {
			return nil // it is all that is left
		}
		p, err := c.hold(child.ID)
		if err != nil {
			continue // it is gone
		}
		c.successor, c.dismissAt = p, time.Time{}
		c.rec.Successor.PID, c.rec.Successor.Start, c.rec.Successor.Workers = p.PID, p.Start, nil
		c.save()
		if c.noWayBack() {
			return nil // as above
		}
		c.s.audit().Cycle(EventForeign, c.rec, 0, "somebody else has sent USR2 to master %d: the condemned %s runs again as %d and is dismissed",
			c.old.PID, c.rec.Successor.Version, child.PID)
		c.beginDismissal()
		if err := c.quitSuccessor(); err != nil {
			return err
		}
		if err := c.runner().await(ctx, true, c.successorDismissed); err != nil {
			return err
		}
	}
	return nil
}
