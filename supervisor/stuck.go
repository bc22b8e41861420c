package supervisor

import (
	"context"
	"errors"
	"fmt"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// stuck is the end when a step of the way back fails: nothing more is done.
func (c *cycle) stuck(failed *StepError) (Result, error) {
	if err := c.overtaken(c.ctx); err != nil {
		return c.finish(Overtaken, err.Error()), nil
	}
	left := remainsOf(c.rec)
	if c.rec.Phase.IsWayBack() && !left.old {
		// There is no way back any more, so it cannot be blocked.
		return c.goForward(c.ctx)
	}
	// What took too long has said so with its phase.
	reason := failed.Error()
	if errors.Is(failed, errLate) {
		reason = failed.Err.Error()
	}
	if !left.old && !left.successor {
		return c.lost(reason + "; neither master is left" + c.withoutMaster()), nil
	}
	return c.finish(Stuck, reason), nil
}

// stuckText is what a person must know.
func (c *cycle) stuckText(reason string) string {
	left := remainsOf(c.rec)
	if left.pidFile = c.old.unitPIDFile; c.old.unit == nil {
		left.pidFile = c.old.pidFile
	}
	if left.old && !left.successor {
		left.pidFile = c.old.pidFile
		pid, err := nginx.ReadPIDFile(c.old.root, c.old.pidFile)
		left.lostPIDFile = err != nil || pid != c.old.PID
	}
	return "stuck: " + reason + "; " + left.text()
}

// leftStuck returns the record of a cycle that got stuck and has left two
// masters, as long as both are there. Until then a person is asked, and nothing
// is touched.
func (s *Supervisor) leftStuck() *Record {
	rec := s.store.Last(s.instance.Name)
	if rec == nil || rec.Result != Stuck || rec.Boot != bootID() || !lives(rec.Old.ID()) || !lives(rec.Successor.ID()) {
		return nil
	}
	return rec
}

// waitsForPerson reports whether two masters of a cycle that got stuck are
// there, and shows that. It looks again by itself: what a person does to one of
// them is no event for us.
func (s *Supervisor) waitsForPerson(ctx context.Context) (string, bool) {
	rec := s.leftStuck()
	if rec == nil {
		if s.stuckIn != "" {
			s.stuckIn, s.stuckDisk = "", ""
			s.detach() // the next attach takes what a person made of it
		}
		return "", false
	}
	if err := s.takeOldUp(ctx, rec); err != nil {
		s.log.Warn(s.instance.Name+": cannot look at the old master", "error", err)
	}
	s.retryIn(pauseUnit)
	text := "stuck: " + rec.Reason + "; " + remainsOf(rec).text()
	s.publish(func(v *view) {
		id := rec.Successor.ID()
		v.pending, v.note, v.successor = text, "", &id
		v.disk = rec.Successor.build()
	})
	if s.stuckIn != rec.ID {
		s.stuckIn = rec.ID
		s.audit().Cycle(EventStuck, rec, 0, "%s", text)
	}
	s.sayLanded()
	return text, true
}

// takeOldUp attaches to the old master, of which the pid file says nothing.
func (s *Supervisor) takeOldUp(ctx context.Context, rec *Record) error {
	if s.current != nil && s.current.ID == rec.Old.ID() {
		return nil
	}
	old, err := nginx.OpenID(rec.Old.ID())
	if err != nil {
		return err
	}
	if _, err := s.takeUp(ctx, old, rec); err != nil {
		old.Close()
		return err
	}
	return nil
}

// sayLanded tells once of each file that lands meanwhile.
func (s *Supervisor) sayLanded() {
	if s.current == nil {
		return
	}
	info, err := s.current.root.Stat(s.current.binary)
	if err != nil {
		return
	}
	now := fmt.Sprint(info.Size(), info.ModTime().UnixNano())
	if s.stuckDisk != "" && s.stuckDisk != now {
		s.audit().Event(EventWaiting, s.current.PID, nil, "%s was replaced; nothing is tried while two masters are left by a cycle that got stuck, see `nginx-hotswap status`",
			s.current.binary)
	}
	s.stuckDisk = now
}

// stuckAnswer answers a request that would have to touch one of two masters.
func (s *Supervisor) stuckAnswer(ctx context.Context, r request) (Outcome, bool) {
	if r.Action == ActionHold || r.Action == ActionUnhold || r.Action == ActionConfirm {
		return Outcome{}, false
	}
	text, waits := s.waitsForPerson(ctx)
	return Outcome{Code: ExitStuck, Result: Stuck, Text: text}, waits
}
