package supervisor

import (
	"context"
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

// Action is what a request asks for.
type Action string

// The actions.
const (
	ActionUpgrade  Action = "upgrade"  // make what is on disk run
	ActionRollback Action = "rollback" // go back to an earlier build
	ActionConfirm  Action = "confirm"  // let go of the old master
	ActionHold     Action = "hold"     // do nothing without being asked
	ActionUnhold   Action = "unhold"
)

// Request asks a supervisor for something.
type Request struct {
	Action Action // "" is ActionUpgrade
	Origin Origin
	Wait   Wait
	DryRun bool // look and test, but signal nobody
	Force  bool // try a quarantined build once, in spite of hold
	// IfRunning makes it a success that there is no master.
	IfRunning bool
	// FromReload says that the reload of the instance's unit waits for the
	// answer: its job is not waited for, and a cycle that runs is not joined,
	// because that may have loaded an earlier configuration.
	FromReload bool
	// To names the build that ActionRollback goes to: a version, a SHA-256
	// or its beginning. Empty is the one before the last upgrade.
	To string
}

// Validate reports what is wrong with a request that came from outside.
func (r Request) Validate() error {
	if r.Wait != WaitVerdict && r.Wait != WaitDone {
		return fmt.Errorf("wait is %q, not %s or %s", r.Wait, WaitVerdict, WaitDone)
	}
	if r.FromReload && r.Wait != WaitVerdict {
		return fmt.Errorf("a reload of the unit waits for the %s, not until all is %s", WaitVerdict, r.Wait)
	}
	if !slices.Contains(origins, r.Origin) {
		return fmt.Errorf("origin %q is unknown, it is one of %s", r.Origin, originNames())
	}
	if !slices.Contains([]Action{"", ActionUpgrade, ActionRollback, ActionConfirm, ActionHold, ActionUnhold}, r.Action) {
		return fmt.Errorf("action %q is unknown", r.Action)
	}
	return nil
}

// request is a Request with the way back for its answer. The channel has room
// for it, so the supervisor never waits for the one who asked.
type request struct {
	Request
	reply chan Outcome
}

// Do asks the supervisor that Run runs in. Nothing to do is success. The error
// is that of the context, if it ends before the answer.
func (s *Supervisor) Do(ctx context.Context, r Request) (Outcome, error) {
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

// Upgrade asks for an upgrade, see Do.
func (s *Supervisor) Upgrade(ctx context.Context, r Request) (Outcome, error) {
	r.Action = ActionUpgrade
	return s.Do(ctx, r)
}

// Once serves one request without Run: for a command where no daemon runs. It
// returns when the cycle is done. With WaitVerdict it does not keep the old
// master for KeepOldSec, and for a package manager's hook it does not wait for
// the end of its connections either. The caller holds the instance's lock.
func (s *Supervisor) Once(ctx context.Context, r Request) Outcome {
	if s.instance.Upgrade.ConfirmManual && !r.DryRun {
		return Outcome{Code: ExitFailure, Text: "Confirm=manual: nobody but the daemon can wait for `nginx-hotswap confirm`; start it, or set Confirm=auto"}
	}
	defer s.detach()
	s.oneShot, s.hook = r.Wait, r.Origin.IsPackage()
	ask := request{r, make(chan Outcome, 1)}
	ask.Wait = WaitDone
	s.serve(ctx, ask)
	s.serveLater(ctx)
	select {
	case out := <-ask.reply:
		return out
	default:
		return Outcome{Code: ExitFailure, Text: fmt.Sprintf("interrupted: %v", context.Cause(ctx))}
	}
}

// meanwhile deals with a request that comes while a cycle runs.
func (s *Supervisor) meanwhile(c *cycle, r request) {
	switch r.Action {
	case ActionHold, ActionUnhold:
		out := s.hold(r.Action == ActionHold)
		if r.Action == ActionHold && !c.usr2At.IsZero() && !c.goesBack() {
			out.Text += fmt.Sprintf("; the upgrade to %s that runs goes on, unless it is taken back by `nginx-hotswap rollback %s`",
				c.rec.Successor.Version, s.instance.Name)
		}
		r.reply <- out
	case ActionConfirm:
		r.reply <- c.confirm()
	case ActionRollback:
		s.undo(c, r)
	default:
		s.joinUpgrade(c, r)
	}
}

// joinUpgrade lets a request wait for the cycle that runs, if that is what it
// asks for.
func (s *Supervisor) joinUpgrade(c *cycle, r request) {
	same, err := c.forSameBuild()
	switch {
	case err != nil:
		r.reply <- outcomeOf(err)
	case r.DryRun || r.FromReload:
		r.reply <- Outcome{Code: ExitDeferred, Result: Deferred, Cycle: c.rec.ID, Text: fmt.Sprintf("busy: a cycle runs (%s)", c.rec.Phase)}
	case same && c.rec.Phase == Restoring && c.rec.Condemned:
		// The verdict is known, and whoever asks may hold the lock that
		// Restoring waits for.
		r.reply <- c.outcome(c.ending())
	case !same:
		s.later = append(s.later, r)
	case c.verdict && !c.goesBack() && r.Wait == WaitVerdict:
		r.reply <- Outcome{Code: ExitOK, Result: Upgraded, Cycle: c.rec.ID,
			Text: fmt.Sprintf("%s serves, the old master %d finishes its connections", c.rec.Successor.Version, c.rec.Old.PID)}
	default:
		s.waiting = append(s.waiting, r)
	}
}

// goesBack reports whether the way back was decided on, whatever the verdict was:
// its reason is what is written down first.
func (c *cycle) goesBack() bool { return c.rec.Phase.IsWayBack() || c.rec.Reason != "" }

// undo turns the cycle that runs back. It ends at the build of the old master: to
// any other a full cycle leads, when this one is done.
func (s *Supervisor) undo(c *cycle, r request) {
	kept, err := KeptBuild{SHA256: c.rec.Old.SHA256}, error(nil)
	if r.To != "" {
		kept, err = s.vault().Find(r.To)
	}
	switch {
	case !c.quitAt.IsZero():
		s.later = append(s.later, r)
	case kept.SHA256 == c.rec.Old.SHA256: // also where what was kept is damaged
		r.Wait = WaitDone
		s.waiting = append(s.waiting, r)
		c.undo = true
	case err != nil:
		r.reply <- outcomeOf(err)
	default:
		s.later = append(s.later, r)
		c.undo = c.undo || kept.SHA256 != c.rec.Successor.SHA256
	}
}

// forSameBuild reports whether what is on disk now is what the cycle is for.
func (c *cycle) forSameBuild() (bool, error) {
	now, err := c.s.compare(c.old)
	if err != nil {
		return false, err
	}
	if now == nil { // where the old master is gone it is the successor that is compared
		return c.old.ID == c.rec.Successor.ID(), nil
	}
	defer now.Close()
	return now.build.Key() == c.rec.Successor.Key(), nil
}

// answer replies to those who wait for this stage of the cycle.
func (s *Supervisor) answer(stage Wait, out Outcome) {
	var left []request
	for _, r := range s.waiting {
		if stage != WaitDone && r.Wait != stage {
			left = append(left, r)
			continue
		}
		mine := out
		if r.Action == ActionRollback {
			mine.Code = rollbackCode(out)
		}
		r.reply <- mine
	}
	s.waiting = left
}

// rollbackCode is the exit status for the one who asked for the way back.
func rollbackCode(out Outcome) int {
	switch out.Result {
	case RolledBack:
		return ExitOK
	case Upgraded:
		if out.Code == ExitOK {
			return ExitOK // a full cycle to the earlier build
		}
	}
	return out.Code
}
