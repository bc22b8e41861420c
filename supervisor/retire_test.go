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
	unit.change(func(s *systemd.State) {
		s.ActiveState, s.JobID, s.JobType, s.MainPID, s.Result = "activating", 8, "start", 0, "success"
	})
	for _, m := range masters {
		if err := unix.Kill(m.PID, unix.SIGTERM); err != nil && !errors.Is(err, unix.ESRCH) {
			t.Fatal(err)
		}
	}
	r.waitFor(t, "the cycle is over", func(s supervisor.Status) bool { return s.Phase == supervisor.Idle && s.Last != nil })
	if last := r.Status().Last; last.Result != supervisor.Overtaken || time.Since(ended) > 20*time.Second {
		t.Errorf("after %v: %+v", time.Since(ended), last)
	}
	if nginxtest.Exists(n.Unix) {
		t.Error("the unix socket was left behind")
	}
}

// A unit that somebody has stopped while the upgrade runs is no fault of anybody; one
// that ended because its master was killed has lost it. It may be all over before
// anybody looks, and the kernel need not tell how the master ended.
func TestUnitEndsWhileSoaking(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		by     unix.Signal
		active string
		state  string // Result=
		again  uint32 // NRestarts=
		want   supervisor.Result
	}{
		"stopped":                      {unix.SIGTERM, "inactive", "success", 0, supervisor.Overtaken},
		"stopped and started":          {unix.SIGTERM, "activating", "success", 0, supervisor.Overtaken},
		"killed":                       {unix.SIGKILL, "failed", "signal", 0, supervisor.Lost},
		"killed and started by itself": {unix.SIGKILL, "activating", "success", 1, supervisor.Lost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			unit := newFakeUnit("nginx.service", "", 0)
			n, r, answer := inPhase(t, supervisor.Soaking, unit)
			successor := n.PID(t)
			unit.change(func(s *systemd.State) {
				s.ActiveState, s.MainPID, s.Result, s.NRestarts = tt.active, 0, tt.state, tt.again
			})
			for _, pid := range []int{n.Master, successor} {
				signal(t, pid, tt.by)
				gone(t, pid)
			}
			if out := <-answer; out.Result != tt.want {
				t.Errorf("got %+v", out)
			}
			if rec := history(t, r.store)[0]; rec.Condemned {
				t.Errorf("the build is condemned: %s", rec.Reason)
			}
		})
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
