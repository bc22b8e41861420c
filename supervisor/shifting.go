package supervisor

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// shift is the act of Shifting.
func (c *cycle) shift(ctx context.Context) error {
	if c.doubled() { // WINCH sends both sets away
		if err := c.passOnEarly(); err != nil {
			return err
		}
	}
	return c.sendWINCH(ctx)
}

// sendWINCH tells old's workers to accept no more.
func (c *cycle) sendWINCH(context.Context) error {
	// Without a successor WINCH would leave nobody that accepts; should it
	// die right here, old notices its exit and starts workers again.
	if err := c.badSign(); err != nil {
		return err
	}
	if err := c.old.Signal(unix.SIGWINCH); err != nil {
		return err
	}
	c.winchAt = time.Now()
	return c.successorLives()
}

// oldAcceptsNoMore is the condition of Shifting: each old worker is gone or says
// that it is shutting down.
func (c *cycle) oldAcceptsNoMore(ctx context.Context) (bool, error) {
	if err := c.badSign(); err != nil {
		return false, err
	}
	tree, err := nginx.ReadTree(c.old.ID)
	if err == nil && !c.old.Alive() {
		err = nginx.ErrGone // not reaped yet, and so without children
	}
	if err != nil {
		return false, fmt.Errorf("the old master is gone: %w", err)
	}
	if len(tree.With(nginx.RoleWorker, nginx.RoleStarting)) > 0 {
		return false, c.thawed(ctx, tree)
	}
	draining, connections := c.connections(tree)
	c.showDrain(connections)
	if !c.winchAt.IsZero() {
		c.s.audit().Cycle(EventShifted, c.rec, time.Since(c.winchAt), "WINCH sent to old master %d, %s", c.old.PID, drainText(draining, connections))
	}
	return true, nil
}

// thawed notices a HUP of somebody else around WINCH: the workers that it has
// started were never told to go. Of a HUP and a WINCH that a master finds at once it
// obeys HUP and leaves WINCH for its next signal (ngx_master_process_cycle), so
// that those of before accept, too.
func (c *cycle) thawed(ctx context.Context, tree nginx.Tree) error {
	fresh, known := c.oldWorkers(tree)
	switch {
	case fresh == 0, c.winchAt.IsZero(), time.Since(c.winchAt) < pulse:
		return nil
	case known > 0:
		return c.shift(ctx)
	}
	return c.byOthers(ctx)
}

func drainText(workers, connections int) string {
	if workers == 0 {
		return "its workers have finished"
	}
	verb := "finish"
	if workers == 1 {
		verb = "finishes"
	}
	return fmt.Sprintf("its %s %s %s", plural(workers, "worker"), verb, plural(connections, "connection"))
}

// connections counts what the draining workers of old still have to do.
func (c *cycle) connections(tree nginx.Tree) (workers, connections int) {
	draining := tree.With(nginx.RoleDraining)
	return len(draining), drainingConnections(c.old.PID, len(c.rec.Old.Listeners), tree)
}
