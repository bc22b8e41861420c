package supervisor

import (
	"context"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// leftRunning is the record of a cycle that may have touched the masters and that
// nobody goes on with yet, or nil.
func (s *Supervisor) leftRunning() *Record {
	rec, err := s.store.LoadRunning(s.instance.Name)
	if err != nil || rec == nil || rec.Boot != bootID() || rec.Phase == Verifying || rec.Phase == Keeping {
		return nil
	}
	return rec
}

// cannotGoOn says once why a cycle that was interrupted is left alone for a while.
// Nobody tells when the reason has passed.
func (s *Supervisor) cannotGoOn(err error) {
	s.retryLater()
	text := "cannot go on with an earlier cycle: " + err.Error()
	if s.snapshot().problem == text {
		return
	}
	s.publish(func(v *view) { v.problem = text })
	s.log.Error(s.instance.Name + ": " + text)
}

// hearFirst deals with the request that came before the cycle is gone on with. An
// upgrade without a daemon is left for its end: then it looks what there is to do.
func (s *Supervisor) hearFirst(c *cycle) {
	r := s.first
	if r == nil || s.oneShot != "" && (r.Action == "" || r.Action == ActionUpgrade) {
		return
	}
	s.first = nil
	s.meanwhile(c, *r)
}

// restoreWithoutOld is what goForward would have done: the kept binary takes the
// place of the condemned one that is all that serves, and the next look swaps to it.
func (s *Supervisor) restoreWithoutOld(ctx context.Context, rec *Record) error {
	p, err := nginx.OpenID(rec.Successor.ID())
	if err != nil {
		return err
	}
	unit, state := s.recordedUnit(ctx, rec)
	m, err := s.learn(ctx, p, unit, state)
	if err != nil {
		p.Close()
		s.retryIn(pauseUnit) // it still starts, perhaps
		return err
	}
	defer m.Close()
	if err := s.recall(); err != nil {
		s.log.Warn("the cycle goes on without what is remembered of the instance", "error", err)
	}
	c := s.newCycle(ctx, m, rec)
	defer c.close()
	c.noWay = true
	if c.successor, err = c.hold(m.ID); err != nil {
		return err
	}
	_ = c.enter(Restoring) // it tells
	s.hearFirst(c)
	var result Result
	if err = c.restore(ctx); err == nil {
		_, reason := c.ending()
		result = c.lost(reason)
	}
	s.concluded(c, result, "")
	return err
}
