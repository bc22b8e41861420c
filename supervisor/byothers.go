package supervisor

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// pulse is how often both masters are looked at while the old one is frozen: a
// signal that somebody else sends to one of them is no event for us.
const pulse = time.Second

// byOthers looks for what administrators do while the old master is frozen: they let
// it write to new logs, reload the unit, go back by hand, or delete the pid file.
func (c *cycle) byOthers(ctx context.Context) error {
	c.lookAgain()
	tree, err := nginx.ReadTree(c.old.ID)
	if err != nil {
		return c.overtaken(ctx) // by itself its end is no bad sign
	}
	c.reopenLogs()
	c.keepPIDFile()
	if fresh, _ := c.oldWorkers(tree); fresh == 0 {
		c.calm = time.Now()
		return nil
	}
	// Old starts workers by itself when its successor is gone.
	if err := c.successorLives(); err != nil {
		return err
	}
	if !unitReloaded(ctx, c.old.unit, c.frozenUntil()) {
		return &badSign{text: fmt.Sprintf("somebody has sent HUP to old master %d, which accepts again", c.old.PID)}
	}
	return c.passOn(ctx)
}

// frozenUntil is a moment before which old certainly got no HUP: a reload of the
// unit begins and ends some time before the workers are there.
func (c *cycle) frozenUntil() time.Time {
	shifted, calm := c.rec.since(Shifting), c.calm.Add(-2*pulse)
	if calm.Before(shifted) { // a unit that has just been started has changed, too
		return shifted
	}
	return calm
}

func (c *cycle) lookAgain() {
	if c.pulse == nil {
		c.pulse = time.AfterFunc(pulse, c.poke)
		return
	}
	c.pulse.Reset(pulse)
}

// unitReloaded reports whether the unit is being reloaded or was since a moment.
func unitReloaded(ctx context.Context, unit Unit, since time.Time) bool {
	if unit == nil {
		return false
	}
	state, err := unit.State(ctx)
	return err == nil && reloadedSince(state, since)
}

// reloadedSince reads a unit's state. A running unit changes its state for
// nothing but a reload.
func reloadedSince(state systemd.State, since time.Time) bool {
	return state.JobType == "reload" || state.ActiveState == "reloading" ||
		state.ActiveState == "active" && state.Changed.After(since)
}

// passOn gives the successor the HUP that `systemctl reload` has sent to the
// old master (ExecReload=/bin/kill -HUP $MAINPID), and freezes that again.
func (c *cycle) passOn(ctx context.Context) error {
	c.s.audit().Cycle(EventReload, c.rec, 0, "the reload of %s reached old master %d: HUP passed on to successor %d, WINCH sent to %d again",
		c.old.unit.Name(), c.old.PID, c.successor.PID, c.old.PID)
	if err := c.reloadSuccessor(); err != nil {
		return err
	}
	err := c.sendWINCH(ctx)
	c.frozenAgain = time.Now()
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeoutCause(ctx, shiftLimit, fmt.Errorf("old master %d is not frozen again: %w", c.old.PID, errLate))
	defer cancel()
	return c.runner().await(limited, true, c.oldAcceptsNoMore)
}

// passOnEarly gives the successor a HUP that came while it started. Old, which has
// a successor from USR2 on, took that for a wish for more workers, and the
// successor may have read its configuration before.
func (c *cycle) passOnEarly() error {
	c.s.audit().Cycle(EventReload, c.rec, 0, "nginx was reloaded while successor %d started: HUP sent to it, which loads the configuration, too", c.successor.PID)
	return c.reloadSuccessor()
}

// askForReload asks systemd, beside the probes, whether the unit was reloaded from
// USR2 until old accepted no more: what became of that HUP cannot be seen any
// more.
func (c *cycle) askForReload() {
	since := c.usr2At
	if c.passedOn.After(since) {
		since = c.passedOn
	}
	answer := make(chan bool, 1)
	c.early = answer
	unit := c.old.unit // the supervisor's goroutine may exchange it
	go func() {
		ctx, cancel := context.WithTimeout(c.ctx, followLimit)
		defer cancel()
		answer <- unitReloaded(ctx, unit, since)
		c.poke()
	}()
}

// heardOfReload reports whether systemd has answered; the verdict waits for it.
func (c *cycle) heardOfReload() (bool, error) {
	select {
	case reloaded := <-c.early:
		c.early = nil
		if reloaded {
			return true, c.passOnEarly()
		}
	default:
	}
	return c.early == nil, nil
}

// reloadSuccessor sends HUP first and writes that down then: to repeat it does no
// harm, to forget it would.
func (c *cycle) reloadSuccessor() error {
	c.passedOn = time.Now()
	if err := ignoreGone(c.successor.Signal(unix.SIGHUP)); err != nil {
		return err
	}
	c.rec.Reloaded = true
	c.save()
	return nil
}

// reopenLogs passes on the USR1 that logrotate has sent to the successor only.
func (c *cycle) reopenLogs() {
	if time.Since(c.reopened) < time.Minute {
		return // two configurations may name different logs
	}
	if differ, err := nginx.LogsDiffer(c.old.Process, c.successor); err != nil || !differ {
		return
	}
	c.reopened = time.Now()
	c.s.log.Debug(fmt.Sprintf("%s: USR1 sent to old master %d, so that it writes to the same logs as successor %d", c.rec.Instance, c.old.PID, c.successor.PID))
	_ = c.old.Signal(unix.SIGUSR1) // it may be gone
}
