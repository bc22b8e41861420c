package supervisor

import (
	"cmp"
	"context"
	"errors"
	"time"
)

// table is the upgrade of https://nginx.org/en/docs/control.html#upgrade, with
// what makes it safe around it.
func (c *cycle) table() []step {
	return []step{
		{Verifying, c.verified, c.verify, Infinity, false},
		{Keeping, c.kept, c.keep, Infinity, false},
		{Starting, c.successorServes, c.sendUSR2, c.cfg.StartTimeoutSec, true},
		{Shifting, c.oldAcceptsNoMore, c.shift, c.limits.ofShift(), true},
		{Soaking, c.soaked, c.soak, Infinity, false},
		{Draining, c.oldDrained, c.drain, Infinity, false},
		{Retiring, c.oldRetired, c.sendQUIT, Infinity, false},
	}
}

// wayBack is the same page's way back.
func (c *cycle) wayBack() []step {
	follow := followLimit
	if c.old != nil && c.old.unitPIDFile == "" {
		follow = c.limits.ofUnit() // without it there is no way on, so PID 1 has more time
	}
	return []step{
		{Reviving, c.oldServes, c.sendHUP, c.limits.ofRevival(plus(shiftLimit, c.cfg.StartTimeoutSec)), true},
		{Returning, c.systemdFollowsOld, c.returnMainPID, follow, true},
		{Dismissing, c.successorDismissed, c.dismiss, Infinity, true},
		{Restoring, c.restored, c.restore, Infinity, false},
	}
}

const (
	// shiftLimit is for workers to notice QUIT: they do so within
	// milliseconds unless they are blocked, for example on a dead disk.
	shiftLimit  = 30 * time.Second
	followLimit = 5 * time.Second
)

// limits are those of the steps that no configuration sets, where a test
// shortens them: each for itself, as the other steps are to succeed.
type limits struct{ shift, revival, unit, hurry, linger time.Duration }

func (l limits) ofShift() time.Duration { return cmp.Or(l.shift, shiftLimit) }
func (l limits) ofUnit() time.Duration  { return cmp.Or(l.unit, shiftLimit) }
func (l limits) ofHurry() time.Duration { return cmp.Or(l.hurry, hurryPause) }

func (l limits) ofRevival(usual time.Duration) time.Duration { return cmp.Or(l.revival, usual) }

// run carries out the cycle from the given phase to its end and returns the
// result. It returns an error only when it was interrupted: then the record
// stays, and the next run goes on.
func (c *cycle) run(ctx context.Context, from Phase) (Result, error) {
	err := c.runner().run(ctx, c.table(), from)
	if err == nil {
		if c.rec.Origin == OriginForeign {
			return c.finish(Adopted, ""), nil
		}
		return c.finish(Upgraded, ""), nil
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	return c.failed(ctx, err)
}

// failed decides what a failure in a phase leads to.
func (c *cycle) failed(ctx context.Context, err error) (Result, error) {
	failed, ok := errors.AsType[*StepError](err)
	if !ok {
		return "", err
	}
	refusal, refused := errors.AsType[*Refusal](err)
	if c.usr2At.IsZero() && !refused {
		c.old.ExitWithin(lastMoment) // in its last moment its files cannot be read any more
	}
	if c.usr2At.IsZero() && !c.old.Alive() { // it was stopped, and not in the middle of anything
		return c.refuse(&Refusal{ReasonUnitBusy, c.old.name() + " is gone", "it is looked at again"}), nil
	}
	if refused && c.usr2At.IsZero() {
		return c.refuse(refusal), nil
	}
	if !c.old.Alive() && c.quitAt.IsZero() {
		return c.lostOld(ctx)
	}
	if c.undo && c.usr2At.IsZero() {
		return c.finish(RolledBack, errAsked.text), nil // nothing was touched
	}
	switch failed.Phase {
	case Verifying, Keeping:
		return c.refuse(&Refusal{Reason: ReasonVault, Text: failed.Err.Error()}), nil
	case Retiring:
		if c.quitAt.IsZero() && c.old.Alive() {
			return c.rollback(ctx, failed)
		}
		return c.stuck(failed)
	case Starting:
		if c.usr2At.IsZero() {
			return c.refuse(&Refusal{Reason: ReasonPIDFile, Text: failed.Err.Error()}), nil
		}
	}
	return c.rollback(ctx, failed)
}

// rollback goes back to the old master from whatever phase failed.
func (c *cycle) rollback(ctx context.Context, failed *StepError) (Result, error) {
	if err := c.overtaken(ctx); err != nil {
		return c.finish(Overtaken, err.Error()), nil
	}
	from := Reviving
	if failed.Phase == Starting {
		from = Dismissing // WINCH was never sent
	}
	return c.goBack(ctx, from, failed.Err)
}
