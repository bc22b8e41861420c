package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// systemdFollowsOld is the condition of Returning. That PID 1 does not answer is
// no answer: while it executes itself anew (daemon-reexec) nobody can reach it.
func (c *cycle) systemdFollowsOld(ctx context.Context) (bool, error) {
	c.knowWorkers()
	follows, err := c.followsOld(ctx)
	if ctx.Err() != nil {
		return false, context.Cause(ctx) // it says more than what ended the call
	}
	return follows && err == nil, nil
}

// followsOld asks systemd whether old is the main process, or nobody can speak
// for the one that is.
func (c *cycle) followsOld(ctx context.Context) (bool, error) {
	if c.old.unit == nil || c.old.mute {
		return true, nil
	}
	state, err := c.old.unit.State(ctx)
	if err != nil {
		return false, err
	}
	return state.MainPID == c.old.PID || c.successor == nil || !c.successor.Alive(), nil
}

// returnMainPID is the act of Returning: MainPID moved to the successor by a
// reload in mid-cycle, and only the main process may give it away.
func (c *cycle) returnMainPID(ctx context.Context) error {
	return c.runner().await(ctx, true, func(ctx context.Context) (bool, error) {
		follows, err := c.followsOld(ctx)
		switch {
		case ctx.Err() != nil:
			return false, context.Cause(ctx)
		case err != nil:
			return false, nil
		case follows:
			return true, nil
		}
		return true, c.giveMainPID()
	})
}

// giveMainPID lets the successor give its place as main process to old.
func (c *cycle) giveMainPID() error {
	return ignoreGone(c.old.unit.Notify(c.successor.PID, fmt.Sprintf("MAINPID=%d", c.old.PID)))
}

// unfollowed reports whether all that is wrong on the way back is that systemd does
// not follow old. Where it reads a pid file that can be put right when the
// successor is gone (catchUp), and until then a bad one must not go on accepting.
func (c *cycle) unfollowed(err error) bool {
	failed, ok := errors.AsType[*StepError](err)
	return ok && failed.Phase == Returning && c.old.unitPIDFile != "" && c.old.Alive()
}

// keepFollowed undoes what a reload does while the successor is dismissed: systemd
// reads the pid file anew, which names the successor until that is gone. Then
// nobody could speak for it any more, and systemd would hold on to a process that
// is no more.
func (c *cycle) keepFollowed(ctx context.Context) {
	if time.Since(c.followedAt) < followPause {
		return
	}
	c.followedAt = time.Now()
	if follows, err := c.followsOld(ctx); err == nil && !follows {
		_ = c.giveMainPID() // the next look tells whether it helped
	}
}

// followPause is between two questions to systemd.
const followPause = 20 * time.Millisecond
