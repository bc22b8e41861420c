package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// errOvertaken says that somebody stops or restarts the unit.
var errOvertaken = errors.New("somebody else took over")

// finish closes the cycle with a result and tells everybody.
func (c *cycle) finish(result Result, reason string) Result {
	now := time.Now()
	c.rec.finish(result, reason, now)
	if result == Upgraded {
		c.settleUnit(c.ctx)
	}
	if result != Stuck {
		c.unlinkKept()
	}
	if result == RolledBack && c.old.unit != nil {
		c.s.notifyUnit(c.old.unit, c.old.PID, "STATUS="+unitStatus(c.rec.Old.Version, c.old.since, c.rec.Successor.Version+" was rolled back"))
	}
	if err := c.s.store.Close(c.rec, c.s.keepHistory); err != nil {
		c.s.log.Error("cannot write the history", "error", err)
	}
	c.tell(result, reason)
	return result
}

func (c *cycle) tell(result Result, reason string) {
	out := c.outcome(result, reason)
	event := EventFinished
	if result == Stuck {
		event = EventStuck
	}
	c.s.audit().Cycle(event, c.rec, c.rec.Finished.Sub(c.rec.Started), "%s", out.Text)
	c.s.answer(WaitDone, out)
}

// outcome is the answer to those who asked for the cycle.
func (c *cycle) outcome(result Result, reason string) Outcome {
	out := Outcome{Cycle: c.rec.ID, Result: result}
	switch result {
	case Upgraded:
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
		out.Text = fmt.Sprintf("stuck: %s; both masters are left as they are: %s", reason, c.waysOut())
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

// waysOut names the commands of the ways that are still open.
func (c *cycle) waysOut() string {
	old, successor := c.rec.Old, c.rec.Successor
	keep := fmt.Sprintf("to keep %s run `kill -QUIT %d`", successor.Version, old.PID)
	back := fmt.Sprintf("`kill -QUIT %d`", successor.PID)
	switch c.rec.Phase {
	case Retiring:
		return keep // which was sent before, and there is no way back from it
	case Dismissing:
		return fmt.Sprintf("%s serves; %s was told to go and takes no requests any more, `kill -KILL %d` ends it", old.Version, successor.Version, successor.PID)
	case Returning: // systemd has moved early, see settleUnit
		keep += " and, once that is gone, `systemctl daemon-reload`"
		back += fmt.Sprintf(" and, once that is gone, `systemctl reload %s`", c.rec.Unit)
	}
	// A second HUP would double the workers.
	if tree, err := nginx.ReadTree(c.old.ID); err == nil {
		if fresh, _ := c.oldWorkers(tree); fresh == 0 {
			back = fmt.Sprintf("`kill -HUP %d`, then ", old.PID) + back
		}
	}
	return fmt.Sprintf("%s, to go back to %s run %s", keep, old.Version, back)
}

// stuck is the end when a step of the way back fails: nothing more is done.
func (c *cycle) stuck(failed *StepError) (Result, error) {
	if err := c.overtaken(c.ctx); err != nil {
		return c.finish(Overtaken, err.Error()), nil
	}
	return c.finish(Stuck, failed.Error()), nil
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
	again := c.s.refusedBefore(c.rec.Successor.SHA256, string(r.Reason))
	if result == Rejected && !again {
		if err := c.s.store.Close(c.rec, c.s.keepHistory); err != nil {
			c.s.log.Error("cannot write the history", "error", err)
		}
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
		a.Refused = &Refused{SHA256: c.rec.Successor.SHA256, Reason: string(r.Reason), Text: r.Error()}
	})
	c.s.answer(WaitDone, Outcome{Code: r.Code(), Text: fmt.Sprintf("%s: %s", result, r.Error()), Cycle: c.rec.ID, Result: result})
	return result
}
