package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Wait says how long a request waits for its answer.
type Wait string

// WaitVerdict returns when it is known whether the successor is good, WaitDone
// when the old master is gone.
const (
	WaitVerdict Wait = "verdict"
	WaitDone    Wait = "done"
)

// Request asks for an upgrade to what is on disk.
type Request struct {
	Origin Origin
	Wait   Wait
	DryRun bool // look and test, but signal nobody
	Force  bool // try again what was rolled back
	// IfRunning makes it a success that there is no master.
	IfRunning bool
}

// request is a Request with the way back for its answer. The channel has room
// for it, so the supervisor never waits for the one who asked.
type request struct {
	Request
	reply chan Outcome
}

// Upgrade asks the supervisor that Run runs in. Nothing to do is success. The
// error is that of the context, if it ends before the answer.
func (s *Supervisor) Upgrade(ctx context.Context, r Request) (Outcome, error) {
	ask := request{r, make(chan Outcome, 1)}
	select {
	case s.requests <- ask:
	case <-ctx.Done():
		return Outcome{}, context.Cause(ctx)
	}
	select {
	case out := <-ask.reply:
		return out, nil
	case <-ctx.Done():
		return Outcome{}, context.Cause(ctx)
	}
}

// Once serves one request without Run: for a command where no daemon runs. It
// returns when the cycle is done. With WaitVerdict it does not keep the old
// master for KeepOldSec. The caller holds the instance's lock.
func (s *Supervisor) Once(ctx context.Context, r Request) Outcome {
	defer s.detach()
	s.oneShot = r.Wait
	ask := request{r, make(chan Outcome, 1)}
	ask.Wait = WaitDone
	s.serve(ctx, ask)
	select {
	case out := <-ask.reply:
		return out
	default:
		return Outcome{Code: ExitFailure, Text: fmt.Sprintf("interrupted: %v", context.Cause(ctx))}
	}
}

// serve answers a request while no cycle runs.
func (s *Supervisor) serve(ctx context.Context, r request) {
	if err := s.resume(ctx); err != nil {
		r.reply <- outcomeOf(err)
		return
	}
	if err := s.refresh(ctx); err != nil {
		out := outcomeOf(err)
		if r.IfRunning && errors.Is(err, ErrNotRunning) {
			out.Code = ExitOK
		}
		r.reply <- out
		return
	}
	c, err := s.current.compare()
	if err != nil {
		s.undecided(err)
		r.reply <- outcomeOf(err)
		return
	}
	if c == nil {
		s.upToDate()
		r.reply <- Outcome{Code: ExitOK, Text: fmt.Sprintf("already current: nginx %s runs what is on disk", s.current.build.Short())}
		return
	}
	s.publish(func(v *view) { v.disk = c.build })
	switch {
	case r.DryRun:
		defer c.Close()
		r.reply <- s.dryRun(ctx, c)
	case !r.Force && s.refusedBefore(c.build.SHA256, reasonRolledBack):
		defer c.Close()
		r.reply <- Outcome{Code: ExitRejected, Result: Rejected, Text: s.attachment.Refused.Text}
	default:
		s.waiting = append(s.waiting, r)
		// The answers are given by the cycle; an interruption too.
		_, _ = s.cycle(ctx, c, r.Origin)
	}
}

func (s *Supervisor) dryRun(ctx context.Context, c *candidate) Outcome {
	if err := s.preflight(ctx, s.current, c, func() {}); err != nil {
		return outcomeOf(err)
	}
	return Outcome{Code: ExitOK, Text: fmt.Sprintf("would upgrade %s to %s: every check before USR2 passes", s.current.build.Short(), c.build.Short())}
}

// meanwhile deals with a request that comes while a cycle runs.
func (s *Supervisor) meanwhile(c *cycle, r request) {
	same, err := c.forSameBuild()
	switch {
	case err != nil:
		r.reply <- outcomeOf(err)
	case r.DryRun:
		r.reply <- Outcome{Code: ExitDeferred, Result: Deferred, Cycle: c.rec.ID, Text: fmt.Sprintf("busy: a cycle runs (%s)", c.rec.Phase)}
	case !same:
		s.later = append(s.later, r)
	case c.verdict && r.Wait == WaitVerdict:
		r.reply <- Outcome{Code: ExitOK, Result: Upgraded, Cycle: c.rec.ID,
			Text: fmt.Sprintf("%s serves, the old master %d finishes its connections", c.rec.Successor.Version, c.rec.Old.PID)}
	default:
		s.waiting = append(s.waiting, r)
	}
}

// forSameBuild reports whether what is on disk now is what the cycle is for.
func (c *cycle) forSameBuild() (bool, error) {
	now, err := c.old.compare()
	if err != nil || now == nil {
		return false, err
	}
	defer now.Close()
	return now.build.SHA256 == c.rec.Successor.SHA256, nil
}

// answer replies to those who wait for this stage of the cycle.
func (s *Supervisor) answer(stage Wait, out Outcome) {
	var left []request
	for _, r := range s.waiting {
		if stage == WaitDone || r.Wait == stage {
			r.reply <- out
		} else {
			left = append(left, r)
		}
	}
	s.waiting = left
}

// Validate reports what is wrong with a request that came from outside.
func (r Request) Validate() error {
	if r.Wait != WaitVerdict && r.Wait != WaitDone {
		return fmt.Errorf("wait is %q, not %s or %s", r.Wait, WaitVerdict, WaitDone)
	}
	if !slices.Contains(origins, r.Origin) {
		return fmt.Errorf("origin %q is unknown", r.Origin)
	}
	return nil
}
