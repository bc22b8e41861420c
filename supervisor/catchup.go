package supervisor

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// catchUp gives the old master what administrators have asked of the successor
// since USR2. It never fails a rollback: the old version serves.
func (c *cycle) catchUp(ctx context.Context) {
	// Logs may have been rotated; to open those again that were not does no harm.
	_ = c.old.Signal(unix.SIGUSR1)
	if c.s.followsNobody(ctx, c.old.unit) {
		if err := c.s.followAgain(ctx, c.old); err != nil {
			c.s.log.Warn(fmt.Sprintf("%s: %v", c.rec.Instance, err))
		}
		return // a reload of the unit was part of it
	}
	if !c.rec.Reloaded && !unitReloaded(ctx, c.old.unit, c.usr2At) && !c.doubled() {
		return
	}
	if err := c.testOld(ctx); err != nil {
		c.s.audit().Cycle(EventReload, c.rec, 0, "nginx was reloaded meanwhile, and old master %d goes on with the configuration of before: %v", c.old.PID, err)
		return
	}
	if err := c.old.Signal(unix.SIGHUP); err != nil {
		return
	}
	c.s.audit().Cycle(EventReload, c.rec, 0, "nginx was reloaded meanwhile: HUP sent to old master %d, which loads the configuration, too", c.old.PID)
}

// doubled reports whether old has more workers than before: somebody has sent HUP
// to it, which it takes for a second set of them as long as it has a successor.
func (c *cycle) doubled() bool {
	tree, err := nginx.ReadTree(c.old.ID)
	return err == nil && len(c.rec.Old.Workers) > 0 && len(tree.With(nginx.RoleWorker)) > len(c.rec.Old.Workers)
}

// testOld tests the configuration with the version that runs again. What is on
// disk may be another one.
func (c *cycle) testOld(ctx context.Context) error {
	kept, err := c.s.vault().Find(c.rec.Old.SHA256)
	if err != nil {
		return err
	}
	return c.s.testConfigWith(ctx, c.old, c.s.vault().Binary(kept))
}

// followsNobody reports whether systemd takes a process for the main one of a unit
// that is no more, while the pid file names a master of the unit. That is so when the pid file was read, by a reload, in the last milliseconds before
// its process ended: systemd hears nothing of the end of somebody else's child.
func (s *Supervisor) followsNobody(ctx context.Context, unit Unit) bool {
	if unit == nil {
		return false
	}
	state, err := unit.State(ctx)
	if err != nil || state.ActiveState != "active" || state.JobID != 0 || state.PIDFile == "" || runs(state.MainPID) {
		return false
	}
	pid, err := s.pidFromFile(state.PIDFile)
	if err != nil || !nginx.IsMaster(pid) {
		return false
	}
	name, err := s.systemd.UnitOf(ctx, pid)
	return err == nil && name == unit.Name()
}

func runs(pid int) bool {
	p, err := nginx.Open(pid)
	if err == nil {
		p.Close()
	}
	return !errors.Is(err, nginx.ErrGone)
}

// followAgain makes systemd read the pid file once more, which a reload of the
// unit does.
func (s *Supervisor) followAgain(ctx context.Context, m *master) error {
	unit := m.unit.Name()
	state, err := m.unit.State(ctx)
	if err != nil {
		return err
	}
	if state.ReloadsMainPID {
		// The reload would signal the process that is no more and fail, after
		// which systemd ends the unit.
		return fmt.Errorf("systemd takes a process for the main one of %s that is no more, and its ExecReload= cannot help that: "+
			"do not reload it, restart %s when it suits; nginx serves", unit, unit)
	}
	if err := s.testConfig(ctx, m); err != nil {
		return fmt.Errorf("systemd takes a process for the main one of %s that is no more; run `systemctl reload %s` when this is repaired: %w", unit, unit, err)
	}
	s.audit().Event(EventReload, m.PID, nil, "systemd takes a process for the main one of %s that is no more: reloading the unit, so that it follows master %d",
		unit, m.PID)
	ctx, cancel := context.WithTimeoutCause(ctx, followLimit, errLate)
	defer cancel()
	err = m.unit.ReloadUnit(ctx)
	if err == nil {
		err = m.unit.WaitMainPID(ctx, m.PID)
	}
	if err != nil {
		return fmt.Errorf("cannot make systemd follow master %d; restart %s when it suits: %w", m.PID, unit, err)
	}
	return nil
}
