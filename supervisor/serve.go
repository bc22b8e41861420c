package supervisor

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// serve answers a request while no cycle runs.
func (s *Supervisor) serve(ctx context.Context, r request) {
	s.adoptWaiting()
	if rec := s.leftRunning(); r.DryRun && rec != nil {
		r.reply <- Outcome{Code: ExitDeferred, Result: Deferred, Cycle: rec.ID, Text: fmt.Sprintf("busy: a cycle was interrupted in %s; "+
			"the daemon goes on with it, or `nginx-hotswap upgrade` does", rec.Phase)}
		return
	}
	s.first = &r
	err := s.resume(ctx)
	if s.first == nil {
		return // the cycle that went on has answered
	}
	s.first = nil
	if err != nil {
		r.reply <- outcomeOf(err)
		return
	}
	if out, waits := s.stuckAnswer(ctx, r); waits {
		r.reply <- out
		return
	}
	if err := s.refresh(ctx); err != nil {
		r.reply <- s.unattached(r, err)
		return
	}
	switch r.Action {
	case ActionHold, ActionUnhold:
		r.reply <- s.hold(r.Action == ActionHold)
	case ActionConfirm:
		r.reply <- s.acknowledge()
	case ActionRollback:
		s.serveRollback(ctx, r)
	default:
		s.serveUpgrade(ctx, r)
	}
}

// unattached answers where there is no master. An instance that was attached to
// before can be held while it is stopped.
func (s *Supervisor) unattached(r request, err error) Outcome {
	out := outcomeOf(err)
	if !errors.Is(err, ErrNotRunning) {
		return out
	}
	if hold := r.Action == ActionHold; (hold || r.Action == ActionUnhold) && s.remembered() {
		return s.hold(hold)
	}
	if r.IfRunning {
		out.Code = ExitOK
	}
	return out
}

// remembered reports whether the instance was attached to before. What is
// remembered of one that was not would hide that what is on disk then was there
// before us.
func (s *Supervisor) remembered() bool {
	if s.attachment == nil {
		a, err := s.store.Attachment(s.instance.Name)
		if err != nil {
			s.log.Error("cannot read the state of the instance", "instance", s.instance.Name, "error", err)
		}
		s.attachment = a
	}
	return s.attachment != nil
}

// hold stops or resumes what is done without being asked.
func (s *Supervisor) hold(on bool) Outcome {
	s.remember(func(a *Attachment) { a.Held = on })
	s.publish(func(v *view) { v.held = on })
	text := "held: nothing is upgraded until `nginx-hotswap unhold " + s.instance.Name + "`, or by `upgrade --force`"
	if !on {
		text = "not held: new binaries are upgraded again"
		s.Poke()
	}
	s.audit().Event(EventHeld, 0, nil, "%s", text)
	return Outcome{Code: ExitOK, Text: text}
}

func (s *Supervisor) serveUpgrade(ctx context.Context, r request) {
	c, err := s.compare(s.current)
	if err != nil {
		s.undecided(err)
		r.reply <- outcomeOf(err)
		return
	}
	if c == nil {
		s.upToDate()
		r.reply <- s.alreadyCurrent(r.Origin)
		return
	}
	s.endStandIn(c)
	s.publish(func(v *view) { v.disk = c.build })
	if out, refused := s.mayServe(r, c); refused {
		c.Close()
		r.reply <- out
		return
	}
	if r.DryRun {
		defer c.Close()
		r.reply <- s.dryRun(ctx, c)
		return
	}
	if m := s.current; r.FromReload {
		m.beginOwnReload()
		defer m.endOwnReload()
	}
	s.waiting = append(s.waiting, r)
	s.publish(func(v *view) { v.pending = "" })
	// The answers are given by the cycle; an interruption too.
	_, _ = s.cycle(ctx, c, r.Origin)
}

// alreadyCurrent is the answer when disk and memory agree. A restored binary that
// stands in for a condemned one is no success: what the person installed does
// not run.
func (s *Supervisor) alreadyCurrent(origin Origin) Outcome {
	if r := s.attachment.Restored; r != nil && r.SHA256 == s.current.build.SHA256 && !s.acknowledged(origin, r.Condemned) {
		return Outcome{Code: ExitRolledBack, Result: RolledBack, Text: fmt.Sprintf("%s runs and is on disk in the place of %s, which is condemned: %s; "+
			"install a fixed build", s.current.build.Short(), r.Version, r.Reason)}
	}
	return Outcome{Code: ExitOK, Text: fmt.Sprintf("already current: nginx %s runs what is on disk", s.current.build.Short())}
}

// acknowledged reports whether a package manager need not be told again that a
// build is bad.
func (s *Supervisor) acknowledged(origin Origin, key string) bool {
	return origin.IsPackage() && s.attachment.Acknowledged == key
}

// acknowledge is what confirm does while no cycle runs: a person knows that what
// was installed does not run.
func (s *Supervisor) acknowledge() Outcome {
	key, text := "", ""
	if r := s.attachment.Restored; r != nil {
		key, text = r.Condemned, r.Version+" is known to be bad, "+s.current.build.Number+" stands in for it"
	} else if c, err := s.compare(s.current); err == nil && c != nil {
		defer c.Close()
		refused := s.attachment.Refused
		if s.attachment.condemnation(c.build.Key()) != nil || refused != nil && refused.Key == c.build.Key() && refused.lasts() {
			key, text = c.build.Key(), c.what()+" is known to be bad"
			if s.leftStuck() == nil {
				text += ", " + s.current.build.Number + " goes on"
			}
		}
	}
	if key == "" {
		return Outcome{Code: ExitFailure, Text: "there is nothing to confirm: no cycle runs, and no build was rolled back or refused"}
	}
	s.remember(func(a *Attachment) { a.Acknowledged = key })
	return Outcome{Code: ExitOK, Text: "acknowledged: " + text + "; package runs do not fail for it any more"}
}

// mayServe answers a request that only --force overrules.
func (s *Supervisor) mayServe(r request, c *candidate) (Outcome, bool) {
	if r.Force || r.DryRun {
		return Outcome{}, false
	}
	if s.acknowledged(r.Origin, c.build.Key()) {
		return Outcome{Code: ExitOK, Text: fmt.Sprintf("%s goes on; the build on disk is known to be bad", s.current.build.Short())}, true
	}
	if s.attachment.Held {
		return Outcome{Code: ExitDeferred, Result: Deferred, Text: "held: `nginx-hotswap unhold " + s.instance.Name + "` or --force lets it go on"}, true
	}
	if q := s.attachment.condemnation(c.build.Key()); q != nil {
		return Outcome{Code: ExitRolledBack, Result: Rejected, Cycle: q.Cycle, Text: quarantineText(q)}, true
	}
	if text := s.decidedOtherwise(r.Origin, c); text != "" {
		return Outcome{Code: ExitDeferred, Result: Deferred, Text: fmt.Sprintf("%s is not tried: %s", c.what(), text)}, true
	}
	if r.FromReload {
		return s.mayServeReload(c)
	}
	return Outcome{}, false
}

// decidedOtherwise says why a build is left alone that nobody but a package
// manager asks for, which knows nothing of what a person wants: its hooks run for
// other packages, too. needrestart would restart what is older than we are.
func (s *Supervisor) decidedOtherwise(origin Origin, c *candidate) string {
	if origin != OriginDpkg && origin != OriginRPM && origin != OriginNeedrestart {
		return ""
	}
	refused := s.attachment.Refused
	switch {
	case refused != nil && refused.Key == c.build.Key() && refused.undone():
		return refused.Text
	case origin != OriginNeedrestart && c.build.Key() == s.attachment.Baseline:
		return "it was there before we came; `nginx-hotswap upgrade` tries it"
	}
	return ""
}

func quarantineText(q *Condemned) string {
	return fmt.Sprintf("%s (%s…) is in quarantine since %s: %s; install a fixed build, or try this one once more with `upgrade --force`",
		q.Version, hash8(q.SHA256), q.Since.Format("2006-01-02 15:04"), q.Reason)
}

func (s *Supervisor) dryRun(ctx context.Context, c *candidate) Outcome {
	if err := s.preflight(ctx, s.current, c, func() {}); err != nil {
		return outcomeOf(err)
	}
	texts := []string{fmt.Sprintf("would upgrade %s to %s: every check before USR2 passes", s.current.build.Short(), c.build.Short())}
	if drift := driftText(s.drift(s.current)); drift != "" {
		texts = append(texts, drift)
	}
	return Outcome{Code: ExitOK, Text: strings.Join(append(texts, c.mind...), "; mind that ")}
}
