package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// errOvertaken says that somebody stops or restarts the unit.
var errOvertaken = errors.New("somebody else took over")

// finish closes the cycle with a result and tells everybody.
func (c *cycle) finish(result Result, reason string) Result {
	c.samples.end() // none is later than the end
	c.rec.finish(result, reason, time.Now())
	c.clearOldBin()
	switch {
	case c.old.Alive():
	case result.isUpgrade():
		c.settleUnit(c.ctx)
	case result == Lost && c.old.unit != nil && c.successorStays():
		c.settleMainPID(c.ctx)
	}
	if result == Overtaken || result == Lost {
		c.giveWay(result)
	}
	if result.isUpgrade() && c.successorLeaves() {
		c.unlinkDeserted()
	}
	if result != Stuck {
		c.unlinkKept()
	} else {
		c.tellUnitStuck()
	}
	if result == RolledBack && c.old.unit != nil && !c.old.mute {
		c.s.notifyUnit(c.old.unit, c.old.PID, "STATUS="+unitStatus(c.rec.Old.Version, c.old.since, c.rec.Successor.Version+" was rolled back"))
	}
	if err := c.s.store.Close(c.rec, c.s.keepHistory); err != nil {
		c.s.log.Error("cannot write the history", "error", err)
	}
	c.atEnd = c.old.workers() // the way back has started them; others that come after the answer are those of a reload
	c.tell(result, reason)
	c.s.finished(c.rec)
	return result
}

// tellUnitStuck ends what `systemctl status` of the unit has shown of the way back.
// Which of the two masters may speak for it is not known any more.
func (c *cycle) tellUnitStuck() {
	if c.old.unit == nil || c.old.mute {
		return
	}
	for _, pid := range []int{c.rec.Old.PID, c.rec.Successor.PID} {
		if pid != 0 {
			c.s.notifyUnit(c.old.unit, pid, fmt.Sprintf("STATUS=nginx-hotswap: %s to %s, stuck; see `nginx-hotswap status`", c.rec.Old.Version, c.rec.Successor.Version))
		}
	}
}

// finished passes on a record that is in the history now.
func (s *Supervisor) finished(rec *Record) {
	copied := *rec
	s.onFinish(&copied)
}

func (c *cycle) tell(result Result, reason string) {
	out := c.outcome(result, reason)
	event := EventFinished
	if result == Stuck {
		event = EventStuck
		c.s.stuckIn = c.rec.ID // it is told now
	}
	c.s.audit().Cycle(event, c.rec, c.rec.Finished.Sub(c.rec.Started), "%s", out.Text)
	c.s.answer(WaitDone, out)
}

// outcome is the answer to those who asked for the cycle.
func (c *cycle) outcome(result Result, reason string) Outcome {
	out := Outcome{Cycle: c.rec.ID, Result: result}
	switch result {
	case Upgraded, Adopted:
		out.Text = fmt.Sprintf("upgraded %s to %s in %v", c.rec.Old.Version, c.rec.Successor.Version, since(c.rec.Started))
	case RolledBack:
		out.Code = ExitRolledBack
		out.Text = fmt.Sprintf("rolled back: %s; %s%s serves", reason, c.wentBack(), c.rec.Old.Version)
	case Overtaken:
		out.Code = ExitFailure
		out.Text = "overtaken: " + reason
	case Lost:
		out.Code = ExitFailure
		out.Text = "lost: " + reason
	case Stuck:
		out.Code = ExitStuck
		out.Text = c.stuckText(reason)
	}
	return out
}

// wentBack says what was done on the way back.
func (c *cycle) wentBack() string {
	text := ""
	if c.hupSent {
		text = fmt.Sprintf("HUP sent to old master %d, ", c.rec.Old.PID)
	}
	if c.rec.Successor.PID != 0 {
		text += fmt.Sprintf("successor %d dismissed; ", c.rec.Successor.PID)
	}
	return text
}

// overtaken asks the unit whether somebody stops or restarts it: then an exit
// is nobody's fault.
func (c *cycle) overtaken(ctx context.Context) error {
	if c.old.unit == nil {
		return nil
	}
	state, err := c.old.unit.State(ctx)
	if err != nil {
		return nil
	}
	return c.overtakenIn(state)
}

// overtakenIn is overtaken for a state that is known.
func (c *cycle) overtakenIn(state systemd.State) error {
	switch {
	case state.JobType == "stop" || state.JobType == "restart":
		return fmt.Errorf("%w: %s job on %s", errOvertaken, state.JobType, c.old.unit.Name())
	case slices.Contains([]string{"deactivating", "inactive", "failed", "activating"}, state.ActiveState):
		// A restart is a start job once what ran is stopped.
		return fmt.Errorf("%w: %s is %s", errOvertaken, c.old.unit.Name(), state.ActiveState)
	case state.MainPID != 0 && state.MainPID != c.rec.Old.PID && state.MainPID != c.rec.Successor.PID:
		return fmt.Errorf("%w: %s was restarted, its main process is %d", errOvertaken, c.old.unit.Name(), state.MainPID)
	}
	return nil
}

// refuse closes the cycle of a candidate that was not tried. The same refusal
// of the same build is recorded once.
func (c *cycle) refuse(r *Refusal) Result {
	result := resultOf(r)
	c.unlinkKept()
	c.rec.finish(result, r.Error(), time.Now())
	c.samples.end()
	c.atEnd = c.old.workers()
	again := c.s.refusedBefore(c.rec.Successor.Key(), string(r.Reason))
	if result == Rejected && !again {
		if err := c.s.store.Close(c.rec, c.s.keepHistory); err != nil {
			c.s.log.Error("cannot write the history", "error", err)
		}
		c.s.finished(c.rec)
	} else if err := c.s.store.Drop(c.rec.Instance); err != nil {
		c.s.log.Error("cannot remove the record", "error", err)
	}
	event := EventRejected
	if result == Deferred {
		event = EventWaiting
	}
	if !again || c.rec.Origin != OriginWatch {
		c.s.audit().Cycle(event, c.rec, 0, "%s: %s; %s goes on", result, r.Error(), c.rec.Old.Version)
	}
	c.s.remember(func(a *Attachment) {
		a.Refused = &Refused{Key: c.rec.Successor.Key(), Reason: string(r.Reason), Text: r.Error()}
	})
	c.s.answer(WaitDone, Outcome{Code: r.Code(), Text: fmt.Sprintf("%s: %s", result, r.Error()), Cycle: c.rec.ID, Result: result})
	return result
}
