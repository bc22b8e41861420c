package supervisor_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// A unit that ends while QUIT waits for one of its jobs is started again by
// somebody: what both masters left behind must be gone by then, or the address
// of a unix socket is in use.
func TestUnitEndsBeforeQUIT(t *testing.T) {
	t.Parallel()
	n, r, unit := aboutToRetire(t)
	ended, masters := time.Now(), r.Status().Masters
	unit.change(func(s *systemd.State) { s.ActiveState, s.JobID, s.JobType, s.MainPID = "activating", 8, "start", 0 })
	for _, m := range masters {
		if err := unix.Kill(m.PID, unix.SIGTERM); err != nil && !errors.Is(err, unix.ESRCH) {
			t.Fatal(err)
		}
	}
	r.waitFor(t, "the cycle is over", func(s supervisor.Status) bool { return s.Phase == supervisor.Idle && s.Last != nil })
	// How a master ended is known when its parent has asked; until then it may
	// have been killed.
	if last := r.Status().Last; last.Result != supervisor.Overtaken && last.Result != supervisor.Lost || time.Since(ended) > 20*time.Second {
		t.Errorf("after %v: %+v", time.Since(ended), last)
	}
	if nginxtest.Exists(n.Unix) {
		t.Error("the unix socket was left behind")
	}
}

// lateUnit follows nobody: its new main process is told to stop while it is waited
// for.
type lateUnit struct {
	*fakeUnit
	waited chan error // how the wait ended
}

func (u *lateUnit) Unit(string) supervisor.Unit { return u }

func (u *lateUnit) WaitMainPID(ctx context.Context, pid int) error {
	if err := unix.Kill(pid, unix.SIGTERM); err != nil {
		u.waited <- err
		return err
	}
	<-ctx.Done()
	u.waited <- ctx.Err()
	return ctx.Err()
}

// Nobody follows a successor that is gone, so that is not waited for: the unix socket
// that both masters left would be in the way of a start meanwhile.
func TestSuccessorGoneWhileSystemdFollows(t *testing.T) {
	t.Parallel()
	n, r, fake := runUnit(t)
	r.stop()
	unit := &lateUnit{fake, make(chan error, 1)}
	c := quick()
	c.Automatic = false
	r = run(t, n, r.store, c, func(o *supervisor.Options) { o.Systemd = unit })
	r.upToDate(t)
	nginxtest.Install(t, n.Binary, newer(t, n))
	answer := r.ask(t, request(supervisor.WaitDone))
	if err := <-unit.waited; !errors.Is(err, context.Canceled) {
		t.Errorf("the wait ended with %v", err)
	}
	if out := <-answer; out.Result == supervisor.Upgraded {
		t.Errorf("got %+v", out)
	}
	if nginxtest.Exists(n.Unix) {
		t.Error("the unix socket was left behind")
	}
}
