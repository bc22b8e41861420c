package supervisor

import (
	"fmt"
	"time"
)

// confirm lets go of the old master.
func (c *cycle) confirm() Outcome {
	if !c.cfg.ConfirmManual {
		return Outcome{Code: ExitFailure, Text: "there is nothing to confirm: Confirm=auto", Cycle: c.rec.ID}
	}
	if c.goesBack() {
		return Outcome{Code: ExitRolledBack, Cycle: c.rec.ID, Result: RolledBack,
			Text: fmt.Sprintf("too late to confirm %s: %s; going back to %s", c.rec.Successor.Version, c.rec.Reason, c.rec.Old.Version)}
	}
	if !c.verdict {
		return Outcome{Code: ExitDeferred, Text: "the verdict is not known yet", Cycle: c.rec.ID}
	}
	c.rec.Confirmed = true
	c.s.publish(func(v *view) { v.note = "" })
	if err := c.s.store.SaveRunning(c.rec); err != nil {
		return Outcome{Code: ExitFailure, Text: fmt.Sprintf("confirmed, but cannot write the record: %v", err), Cycle: c.rec.ID}
	}
	c.show(func(s *CycleStatus) { s.ConfirmUntil = nil })
	c.poke()
	return Outcome{Code: ExitOK, Text: fmt.Sprintf("confirmed: %s stays, the old master %d %s", c.rec.Successor.Version, c.rec.Old.PID, c.stays()),
		Cycle: c.rec.ID, Result: Upgraded}
}

// stays says what becomes of the old master when no person is waited for.
func (c *cycle) stays() string {
	left := c.keepOld()
	if c.draining && left != Infinity {
		left = time.Until(c.keepUntil).Round(time.Second)
	}
	switch {
	case left == Infinity:
		return "is kept (KeepOldSec=infinity)"
	case left > 0:
		return fmt.Sprintf("is kept for another %s (KeepOldSec=)", FormatTimeSpan(left))
	}
	return "goes"
}

// askedSince is since when a person is asked to confirm. That may not have been so
// when the old master began to drain, if the daemon was started anew.
func (c *cycle) askedSince() time.Time {
	if c.rec.Asked == nil {
		c.rec.Asked = moment(time.Now())
		c.save()
	}
	return *c.rec.Asked
}

// confirmed is the part of Draining that waits for a person.
func (c *cycle) confirmed() (bool, error) {
	if !c.cfg.ConfirmManual || c.rec.Confirmed {
		return true, nil
	}
	if c.noWayBack() {
		c.nothingToConfirm()
		return true, nil
	}
	if !c.confirmUntil.IsZero() && !time.Now().Before(c.confirmUntil) {
		return false, errUnconfirmed
	}
	return false, nil
}

// nothingToConfirm tells that nobody is waited for any more: the old master cannot
// come back.
func (c *cycle) nothingToConfirm() {
	if c.s.snapshot().note == "" {
		return // it was told
	}
	c.show(func(s *CycleStatus) { s.ConfirmUntil = nil })
	c.s.publish(func(v *view) { v.note = "" })
	c.s.log.Warn(fmt.Sprintf("%s: old master %d is gone, or somebody has told it to go: there is no way back to it, so there is nothing to confirm",
		c.rec.Instance, c.old.PID))
}

// untilConfirmed says what a person has to do, and by when.
func (c *cycle) untilConfirmed() string {
	if !c.cfg.ConfirmManual || c.rec.Confirmed {
		return ""
	}
	return fmt.Sprintf("; without `nginx-hotswap confirm %s` within %s it comes back", c.rec.Instance, FormatTimeSpan(c.cfg.ConfirmTimeoutSec))
}
