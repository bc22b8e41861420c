package supervisor_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// silentUnit is a unit of a systemd that answers nobody for a while, as in a
// daemon-reexec. From the first question in a phase on it lasts for a time.
type silentUnit struct {
	*fakeUnit
	lasts time.Duration

	mu    sync.Mutex
	in    func() bool // is it the time?
	until time.Time
}

func (u *silentUnit) Unit(string) supervisor.Unit { return u }

func (u *silentUnit) State(ctx context.Context) (systemd.State, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.in != nil && u.in() {
		u.in, u.until = nil, time.Now().Add(u.lasts)
	}
	if time.Now().Before(u.until) {
		return systemd.State{}, errors.New("dial unix /run/systemd/private: connect: connection refused")
	}
	return u.fakeUnit.State(ctx)
}

// from lets systemd fall silent at its first question in a phase.
func (u *silentUnit) from(r *running, phase supervisor.Phase) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.in = func() bool { return r.Outline().Phase == phase }
}

// A systemd that does not answer for a moment is no reason to undo a good upgrade,
// to keep a bad one, or to reject a candidate for good.
func TestSystemdIsSilent(t *testing.T) {
	t.Parallel()
	for phase, want := range map[supervisor.Phase]supervisor.Result{
		supervisor.Verifying: supervisor.Deferred,
		supervisor.Retiring:  supervisor.Upgraded,
		supervisor.Returning: supervisor.RolledBack,
	} {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			unit := &silentUnit{lasts: 300 * time.Millisecond}
			n, r, u := runUnit(t)
			r.stop()
			unit.fakeUnit = u
			c := quick()
			c.Automatic = false
			if phase == supervisor.Returning {
				c.Upgrade.SoakSec = time.Hour
			}
			r = run(t, n, r.store, c, func(o *supervisor.Options) { o.Systemd = unit })
			r.upToDate(t)
			stop := lightTraffic(t, n)
			data, version := n.Newer(t, '9')
			nginxtest.Install(t, n.Binary, data)
			unit.from(r, phase)
			if phase == supervisor.Returning {
				goBack(t, r, r.askUntil(t, request(supervisor.WaitDone), supervisor.Soaking))
				stop()
				requireOldServes(t, n)
				return
			}
			out := <-r.ask(t, request(supervisor.WaitDone))
			if out.Result != want {
				t.Errorf("got %+v", out)
			}
			if phase == supervisor.Verifying {
				time.Sleep(unit.lasts)
				if out = <-r.ask(t, request(supervisor.WaitDone)); out.Result != supervisor.Upgraded {
					t.Errorf("tried again: got %+v", out)
				}
			}
			stop()
			requireServer(t, n, version)
		})
	}
}

// Where systemd reads a pid file a bad successor goes although the unit is late or
// takes no word for it: it is put right when the successor is gone.
func TestMainPIDThatDoesNotReturn(t *testing.T) {
	t.Parallel()
	for _, access := range []string{"none", "main"} {
		t.Run("NotifyAccess="+access, func(t *testing.T) {
			t.Parallel()
			n, r, u := runUnit(t)
			r.stop()
			u.change(func(s *systemd.State) { s.NotifyAccess = access })
			unit := deafUnit{u}
			c := quick()
			c.Automatic = false
			c.Upgrade.SoakSec = time.Hour
			r = run(t, n, r.store, c, func(o *supervisor.Options) { o.Systemd = unit })
			r.upToDate(t)
			stop := lightTraffic(t, n)
			data, _ := n.Newer(t, '9')
			nginxtest.Install(t, n.Binary, data)
			answer := r.askUntil(t, request(supervisor.WaitDone), supervisor.Soaking)
			u.change(func(s *systemd.State) { s.MainPID, s.Changed = n.PID(t), time.Now() }) // a reload
			goBack(t, r, answer)
			stop()
			requireOldServes(t, n)
			if state, err := unit.State(t.Context()); err != nil || state.MainPID != n.Master {
				t.Errorf("systemd follows %d, not %d", state.MainPID, n.Master)
			}
		})
	}
}

// deafUnit takes no word for its main process from sd_notify.
type deafUnit struct{ *fakeUnit }

func (u deafUnit) Unit(string) supervisor.Unit { return u }

func (u deafUnit) Notify(int, ...string) error { return nil }

// A reload of the unit that hangs says nothing against a build with a good verdict:
// QUIT waits for its end, however long that is.
func TestJobThatLasts(t *testing.T) {
	t.Parallel()
	log := &logBuffer{testWriter: testWriter{t}}
	n, r, unit := runUnit(t, supervisor.ShortUnit, log.into)
	data, version := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)
	unit.change(reloading)
	if out := <-r.ask(t, fromReload()); out.Result != supervisor.Upgraded {
		t.Fatalf("got %+v", out)
	}
	stop := lightTraffic(t, n)
	nginxtest.Eventually(t, "it has taken too long", func() bool { return log.count("does not end, QUIT to old master") == 1 })
	if st := r.Status(); st.Phase != supervisor.Retiring || len(n.Masters(t)) != 2 {
		t.Errorf("it does not wait: %+v", st)
	}
	unit.change(reloaded)
	r.waitFor(t, "it is upgraded", func(s supervisor.Status) bool {
		return s.Phase == supervisor.Idle && s.Last != nil && s.Last.Result == supervisor.Upgraded && s.Running.Version == version
	})
	stop()
	requireServer(t, n, version)
}
