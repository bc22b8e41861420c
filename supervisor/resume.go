package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// resume goes on with a cycle that was left running by a supervisor that is no
// more. The record says what was meant, the process table what is.
func (s *Supervisor) resume(ctx context.Context) error {
	rec, err := s.store.LoadRunning(s.instance.Name)
	if err != nil {
		// What cannot be understood is not acted upon. If two masters are
		// there, the next look says so.
		s.log.Error(s.instance.Name+": the record of a cycle is unusable and is set aside", "error", err)
		return s.store.Drop(s.instance.Name)
	}
	if rec == nil {
		return nil
	}
	if rec.Boot != bootID() {
		return s.closeRecord(rec, Overtaken, "the machine was started anew")
	}
	old, err := nginx.OpenID(rec.Old.ID())
	if errors.Is(err, nginx.ErrGone) {
		return s.withoutOld(ctx, rec)
	}
	if err != nil {
		return err
	}
	begun, err := begun(ctx, old, rec)
	if err != nil {
		old.Close()
		return err // the record stays: USR2 may be on its way
	}
	if !begun {
		old.Close()
		// A successor may have come and died while nobody was there.
		endOrphans(successorOrphans(rec))
		return s.store.Drop(s.instance.Name)
	}
	return s.carryOn(ctx, old, rec)
}

// begun reports whether old has been touched by the cycle: before USR2 there
// is nothing to carry on, the next look begins anew.
func begun(ctx context.Context, old *nginx.Process, rec *Record) (bool, error) {
	if rec.Phase != Starting {
		return !rec.Phase.isEarly(), nil
	}
	// A USR2 that is still on its way must have had its effect.
	for since := time.Now(); ; {
		signals, err := nginx.ReadSignals(old.PID)
		if err != nil {
			return true, nil // old is gone, which is seen later
		}
		tree, err := nginx.ReadTree(old.ID)
		if err != nil || len((&cycle{rec: rec}).newcomers(tree)) > 0 {
			return true, nil
		}
		if signals.Waiting() && len(tree.With(nginx.RoleStarting)) == 0 {
			return false, nil
		}
		if time.Since(since) > followLimit {
			return false, fmt.Errorf("old master %d takes no signals, so it is not known whether it got USR2; if somebody has stopped it: `%s`",
				old.PID, kill("CONT", old.PID))
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(pollPause(time.Since(since))):
		}
	}
}

// carryOn runs the rest of a cycle.
func (s *Supervisor) carryOn(ctx context.Context, old *nginx.Process, rec *Record) error {
	m, err := s.takeUp(ctx, old, rec)
	if errors.Is(err, ErrNotRunning) || err != nil && !old.Alive() {
		old.Close()
		return s.withoutOld(ctx, rec) // it went just now
	}
	if err != nil {
		old.Close()
		return err
	}
	c := s.newCycle(ctx, m, rec)
	defer c.close()
	c.verdict = rec.Phase == Draining || rec.Phase == Retiring
	if !c.verdict {
		c.s.line.take()
		c.place = true
	}
	if err := c.findAgain(); err != nil {
		return err
	}
	s.log.Info(fmt.Sprintf("%s: going on with cycle %s in phase %s", s.instance.Name, rec.ID, rec.Phase))
	s.hearFirst(c)
	files := s.files(rec.Successor.Key())
	result, err := c.runAgain(ctx)
	s.concluded(c, result, files+c.atEnd)
	return err
}

// takeUp attaches to the old master of a record.
func (s *Supervisor) takeUp(ctx context.Context, old *nginx.Process, rec *Record) (*master, error) {
	unit, state := s.recordedUnit(ctx, rec)
	s.detach()
	m, err := s.learn(ctx, old, unit, state)
	if err != nil {
		return nil, err
	}
	if m.pidFile == "" {
		// In the middle of an upgrade the file names the successor.
		m.pidFile = m.likelyPIDFile(s.instance.PIDFile)
	}
	s.current = m
	s.adopted(m)
	if err := s.recall(); err != nil {
		s.log.Warn("the cycle goes on without what is remembered of the instance", "error", err)
	}
	s.publish(func(v *view) { v.held = s.attachment.Held })
	// After a way back this master stays the one that we look after.
	s.onAttach()
	return m, nil
}

// recordedUnit is the unit that the record names, with its state.
func (s *Supervisor) recordedUnit(ctx context.Context, rec *Record) (Unit, systemd.State) {
	if rec.Unit == "" || s.systemd == nil {
		return nil, systemd.State{}
	}
	s.unitName = rec.Unit
	unit := s.systemd.Unit(rec.Unit)
	state, err := unit.State(ctx)
	if err != nil {
		s.log.Warn("cannot look at the unit", "unit", rec.Unit, "error", err)
	}
	return unit, state
}

// likelyPIDFile is the pid file that is said to be the master's.
func (m *master) likelyPIDFile(given string) string {
	configured, _ := m.files.ConfiguredPID(m.root)
	for _, path := range []string{given, m.unitPIDFile, configured} {
		if path != "" {
			return path
		}
	}
	return m.files.PID
}

// findAgain takes hold of the successor that the record names, and of its
// workers.
func (c *cycle) findAgain() error {
	c.usr2At = c.rec.Started // it was sent, or we would not be here
	c.unchecked = c.rec.Reloaded
	if c.rec.Successor.PID == 0 {
		return nil
	}
	p, err := c.hold(c.rec.Successor.ID())
	if errors.Is(err, nginx.ErrGone) {
		return c.holdWorkers()
	}
	if err != nil {
		return err
	}
	c.successor = p
	c.s.publish(func(v *view) { v.successor = &p.ID })
	return c.holdWorkers()
}

func (c *cycle) holdWorkers() error {
	for _, id := range c.rec.Successor.Workers {
		_, err := c.hold(id)
		if err != nil && !errors.Is(err, nginx.ErrGone) {
			return err
		}
		if err == nil {
			c.workers[id] = true
		}
	}
	return nil
}

// runAgain enters the table that the record's phase belongs to.
func (c *cycle) runAgain(ctx context.Context) (Result, error) {
	if c.rec.Phase.IsWayBack() {
		return c.goBack(ctx, c.rec.Phase, &badSign{c.rec.Reason, c.rec.Condemned})
	}
	if c.successor == nil && c.rec.Phase != Starting {
		return c.failed(ctx, &StepError{c.rec.Phase, fmt.Errorf("successor %d is gone", c.rec.Successor.PID)})
	}
	if c.undo {
		return c.failed(ctx, &StepError{c.rec.Phase, errAsked})
	}
	return c.run(ctx, c.rec.Phase)
}

// withoutOld closes the record of a cycle whose old master is gone.
func (s *Supervisor) withoutOld(ctx context.Context, rec *Record) error {
	successor, err := recordedSuccessor(rec)
	if errors.Is(err, nginx.ErrGone) {
		unlinkDeserted(rec, s.log)
		return s.closeRecord(rec, Overtaken, "both masters are gone")
	}
	if err != nil {
		return err
	}
	defer successor.Close()
	if root, err := nginx.OpenRoot(successor.PID); err == nil {
		unlinkKept(root, rec, s.log)
		root.Close()
	}
	if rec.Condemned {
		return s.restoreWithoutOld(ctx, rec)
	}
	if rec.Phase != Retiring {
		return s.closeRecord(rec, Overtaken, "the old master is gone, the successor serves")
	}
	unit, state := s.recordedUnit(ctx, rec)
	if unit != nil && state.MainPID == successor.PID {
		s.notifyUnit(unit, successor.PID, "STATUS="+unitStatus(rec.Successor.Version, time.Now(), "upgraded from "+rec.Old.Version))
		if state.PIDFile == "" || rec.Reloaded { // as in settleUnit
			if err := unit.Reload(ctx); err != nil {
				s.log.Warn("cannot reload systemd", "error", err)
			}
		}
	}
	return s.closeRecord(rec, Upgraded, "")
}

func (s *Supervisor) closeRecord(rec *Record, result Result, reason string) error {
	rec.finish(result, reason, time.Now())
	s.audit().Cycle(EventFinished, rec, rec.Finished.Sub(rec.Started), "%s: %s to %s %s", result, rec.Old.Version, rec.Successor.Version, reason)
	if err := s.store.Close(rec, s.keepHistory); err != nil {
		return err // it is tried again
	}
	s.finished(rec)
	return nil
}
