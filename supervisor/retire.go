package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// sendQUIT is the act of Retiring and the only point of no return. Everything
// that makes systemd follow is in place before.
func (c *cycle) sendQUIT(ctx context.Context) error {
	if err := c.successorLives(); err != nil {
		return err
	}
	if c.old.unit != nil {
		err := c.handOver(ctx, c.old.unit)
		if !c.old.Alive() {
			return nil // somebody else has told it to go meanwhile
		}
		if err != nil {
			return err
		}
	} else if err := c.pidFileNamesSuccessor(); err != nil {
		return err
	}
	// Workers that somebody's HUP has started since Draining would stay behind and
	// accept for ever: a frozen master waits for none of them.
	if err := c.byOthers(ctx); err != nil {
		return err
	}
	if err := c.old.Signal(unix.SIGQUIT); err != nil && !errors.Is(err, nginx.ErrGone) {
		return err
	}
	c.quitAt = time.Now()
	time.AfterFunc(c.limits.ofLingering(), c.poke)
	return nil
}

// handOver prepares systemd for the exit of the old master. With PIDFile=
// systemd reads the file at that moment (service_sigchld_event), and all that
// is needed is that the file is right. Without, MAINPID= has to be sent by the
// main process or on its behalf, directly before it goes.
func (c *cycle) handOver(ctx context.Context, unit Unit) error {
	state, err := c.quietUnit(ctx, unit)
	if err != nil {
		return err
	}
	c.movedEarly = state.MainPID == c.successor.PID
	if err := c.sameControlGroup(); err != nil {
		return err
	}
	if state.PIDFile != "" {
		return c.pidFileNamesSuccessor()
	}
	if c.movedEarly {
		return nil
	}
	if err := unit.Notify(c.old.PID, fmt.Sprintf("MAINPID=%d", c.successor.PID)); err != nil {
		return fmt.Errorf("cannot tell systemd the new main process: %w", err)
	}
	c.movedEarly = true
	ctx, cancel := context.WithTimeoutCause(ctx, followLimit, errLate)
	defer cancel()
	return unit.WaitMainPID(ctx, c.successor.PID)
}

// quietUnit waits until no job of somebody else runs on the unit. One that is
// stopped or restarted, or ends otherwise, ends the cycle: that is what the
// administrator means, for both masters. A job that lasts says nothing against the
// successor, nor does a PID 1 that does not answer for a moment.
func (c *cycle) quietUnit(ctx context.Context, unit Unit) (systemd.State, error) {
	var state systemd.State
	quiet := func(ctx context.Context) (bool, error) {
		if !c.old.Alive() {
			return false, errOldGone
		}
		var err error
		if state, err = unit.State(ctx); err != nil {
			return false, nil
		}
		if err := c.overtakenIn(state); err != nil {
			return false, err
		}
		if state.JobID == 0 && state.ActiveState == "active" {
			return true, nil
		}
		return false, c.stillServes(ctx)
	}
	limited, cancel := context.WithTimeoutCause(ctx, c.limits.ofUnit(), errLate)
	defer cancel()
	err := c.runner().await(limited, true, quiet)
	if limited.Err() == nil || ctx.Err() != nil {
		return state, err
	}
	c.s.audit().Cycle(EventWaiting, c.rec, 0, "a job on %s does not end, QUIT to old master %d waits for that", unit.Name(), c.old.PID)
	err = c.runner().await(ctx, false, func(ctx context.Context) (bool, error) {
		c.lookAgain() // a job's end may be no event
		return quiet(ctx)
	})
	return state, err
}

// sameControlGroup makes sure that systemd counts the successor to the unit.
func (c *cycle) sameControlGroup() error {
	old, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", c.old.PID))
	if err != nil {
		return err
	}
	successor, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", c.successor.PID))
	if err != nil {
		return err
	}
	if string(old) != string(successor) {
		return fmt.Errorf("successor %d is not in the control group of %s", c.successor.PID, c.old.unit.Name())
	}
	return nil
}

// oldRetired is the condition of Retiring.
func (c *cycle) oldRetired(ctx context.Context) (bool, error) {
	if c.old.Alive() {
		c.hurryOld()
		c.lingers()
		return c.leaves() && !c.quitAt.IsZero(), nil
	}
	if err := c.removeStaleOldBin(); err != nil {
		return false, err
	}
	if c.quitAt.IsZero() { // it was killed, perhaps before its workers were told to go
		if err := c.overtaken(ctx); err != nil {
			return false, err
		}
		if err := c.endOldWorkers(ctx); err != nil {
			return false, err
		}
	}
	if err := c.successorLives(); err != nil {
		return false, err
	}
	if c.old.unit == nil {
		c.retired("it serves alone")
		return true, nil
	}
	limited, cancel := context.WithTimeoutCause(ctx, followLimit, errLate)
	defer cancel()
	err := c.old.unit.WaitMainPID(c.whileLives(limited, c.successor), c.successor.PID)
	if gone := c.successorLives(); gone != nil {
		return false, gone
	}
	if err != nil {
		return false, fmt.Errorf("systemd does not follow the successor %d: %w", c.successor.PID, err)
	}
	c.retired("systemd follows it")
	c.passOnLate(ctx)
	return true, nil
}

// whileLives is a context that ends with a process, too: nobody follows one that is
// gone, and what it has left behind is in the way of the next.
func (c *cycle) whileLives(ctx context.Context, p *nginx.Process) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		select {
		case <-p.Exited():
		case <-ctx.Done():
		}
	}()
	return ctx
}

// passOnLate gives the successor the HUP of a reload of the unit that reached the
// old master together with QUIT, and was lost with it.
func (c *cycle) passOnLate(ctx context.Context) {
	if c.quitAt.IsZero() || !unitReloaded(ctx, c.old.unit, c.quitAt) {
		return
	}
	if err := c.successor.Signal(unix.SIGHUP); err == nil {
		c.s.audit().Cycle(EventReload, c.rec, 0, "%s was reloaded while old master %d went: HUP sent to successor %d", c.old.unit.Name(), c.old.PID, c.successor.PID)
	}
}

func (c *cycle) retired(follows string) {
	if c.quitAt.IsZero() {
		return // it went without us
	}
	c.s.audit().Cycle(EventRetired, c.rec, time.Since(c.quitAt), "QUIT sent to old master %d, it is gone after %v; successor %d: %s",
		c.old.PID, since(c.quitAt), c.successor.PID, follows)
}

// settleUnit is done when systemd follows the successor: sent earlier, the
// status would be lost.
func (c *cycle) settleUnit(ctx context.Context) {
	unit := c.old.unit
	if unit == nil {
		return
	}
	if !c.old.mute {
		c.s.notifyUnit(unit, c.successor.PID, fmt.Sprintf("MAINPID=%d", c.successor.PID),
			"STATUS="+unitStatus(c.rec.Successor.Version, c.successorSince(), "upgraded from "+c.rec.Old.Version))
	}
	c.settleMainPID(ctx)
}

// settleMainPID makes systemd forget whose child the main process once was.
func (c *cycle) settleMainPID(ctx context.Context) {
	if !c.movedEarly && !c.rec.Reloaded { // by us, or perhaps by a reload of the unit
		return
	}
	// MainPID moved while old was the successor's parent: systemd takes it
	// for somebody else's child, and a later stop would kill it at once.
	if err := c.old.unit.Reload(ctx); err != nil {
		c.s.log.Warn("cannot reload systemd; do it by hand (systemctl daemon-reload), or a later stop of the unit is not graceful", "error", err)
	}
}

func (c *cycle) successorSince() time.Time {
	since, err := c.successor.Started()
	if err != nil {
		return time.Now()
	}
	return since
}

// unitStatus is the line that `systemctl status` of the unit shows.
func unitStatus(version string, since time.Time, how string) string {
	return fmt.Sprintf("nginx %s since %s, %s (nginx-hotswap)", version, since.Format("2006-01-02 15:04:05 MST"), how)
}
