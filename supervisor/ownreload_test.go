package supervisor_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// reloading is a unit in the middle of a reload, and fromReload what its
// ExecReload= asks for.
func reloading(s *systemd.State) { s.ActiveState, s.JobID, s.JobType = "reloading", 7, "reload" }

// reloaded is the end of it.
func reloaded(s *systemd.State) {
	s.ActiveState, s.JobID, s.JobType, s.Changed = "active", 0, "", time.Now()
}

func fromReload() supervisor.Request {
	q := request(supervisor.WaitVerdict)
	q.FromReload = true
	return q
}

// runUnit looks after an nginx of a unit that upgrades only when it is asked.
func runUnit(t *testing.T, change ...func(*supervisor.Options)) (*nginxtest.Nginx, *running, *fakeUnit) {
	t.Helper()
	n := start(t, traffic.Site{Unix: unixSocket(t)})
	unit := newFakeUnit("nginx.service", n.PIDPath(), n.Master)
	c := quick()
	c.Automatic = false
	r := run(t, n, newStore(t), c, append(change, func(o *supervisor.Options) { o.Systemd = unit })...)
	r.upToDate(t)
	return n, r, unit
}

// aboutToRetire is a cycle that a reload of the unit has asked for, and in which
// QUIT waits for the end of that.
func aboutToRetire(t *testing.T) (*nginxtest.Nginx, *running, *fakeUnit) {
	t.Helper()
	n, r, unit := runUnit(t)
	data, _ := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)
	unit.change(reloading)
	if out := <-r.ask(t, fromReload()); out.Result != supervisor.Upgraded {
		t.Fatalf("got %+v", out)
	}
	r.waitFor(t, "it is about to retire", func(s supervisor.Status) bool { return s.Phase == supervisor.Retiring })
	return n, r, unit
}

// The unit's reload waits for the answer, so it must not be waited for.
func TestReloadOfTheUnitUpgrades(t *testing.T) {
	t.Parallel()
	n, r, unit := runUnit(t)
	stop := lightTraffic(t, n)
	unit.change(reloading)
	if out := <-r.ask(t, fromReload()); out.Code != supervisor.ExitOK || out.Result != "" {
		t.Errorf("with nothing to do: %+v", out)
	}
	data, _ := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)
	if out := <-r.ask(t, request(supervisor.WaitVerdict)); out.Code != supervisor.ExitDeferred {
		t.Errorf("to somebody else the unit is busy: %+v", out)
	}
	if out := <-r.ask(t, fromReload()); out.Result != supervisor.Upgraded {
		t.Fatalf("got %+v", out)
	}
	unit.change(reloaded)
	r.upToDate(t)
	stop()
	successor := n.PID(t)
	if st := r.Status(); st.MainPID != successor || successor == n.Master {
		t.Errorf("%+v, the pid file names %d", st, successor)
	}
	gone(t, n.Master)
}

// After the verdict the reload is one like any other: QUIT waits for its end.
func TestReloadThatAskedIsAwaitedBeforeQUIT(t *testing.T) {
	t.Parallel()
	n, r, unit := aboutToRetire(t)
	for range 20 { // each answer is a moment in which it could have gone on
		if out := <-r.ask(t, fromReload()); out.Code != supervisor.ExitDeferred || !nginx.IsMaster(n.Master) {
			t.Fatalf("it did not wait for the end of the reload: %+v", out)
		}
	}
	unit.change(reloaded)
	gone(t, n.Master)
	r.upToDate(t)
}

// A cycle that runs may have loaded the configuration of before.
func TestReloadOfTheUnitJoinsNoCycle(t *testing.T) {
	t.Parallel()
	unit := newFakeUnit("nginx.service", "", 0)
	n, r, answer := inPhase(t, supervisor.Draining, unit)
	if out := <-r.ask(t, fromReload()); out.Code != supervisor.ExitDeferred || !strings.Contains(out.Text, "a cycle runs") {
		t.Errorf("got %+v", out)
	}
	goBack(t, r, answer)
	requireOldServes(t, n)
}

// A reload is asked for by certificate renewals, too: what has failed is not
// tried again each time, and nobody but the one who asked loads the configuration.
func TestReloadOfTheUnitWithABadBuild(t *testing.T) {
	t.Parallel()
	n, r, unit := runUnit(t)
	before := workersOf(t, n.Master, nginx.RoleWorker)
	nginxtest.Install(t, n.Binary, makeBad(t, n, badnginx.ExitAtStart, 0))
	unit.change(reloading)
	if out := <-r.ask(t, fromReload()); out.Result != supervisor.RolledBack {
		t.Fatalf("got %+v", out)
	}
	unit.change(reloaded)
	if out := <-r.ask(t, fromReload()); out.Code != supervisor.ExitDeferred || !strings.Contains(out.Text, "it was tried and rolled back") {
		t.Errorf("the second time: %+v", out)
	}
	if now := workersOf(t, n.Master, nginx.RoleWorker); !slices.Equal(now, before) {
		t.Errorf("workers %v, before %v: somebody has sent HUP", now, before)
	}
	if records := history(t, r.store); len(records) != 1 {
		t.Errorf("%d cycles", len(records))
	}
	requireOldServes(t, n)
}

// Maintainer scripts reload in the middle of their transaction.
func TestReloadOfTheUnitInAPackageTransaction(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/lock"
	writeFile(t, path, "")
	n, r, _ := runUnit(t, func(o *supervisor.Options) {
		o.PackageLocks = []supervisor.PackageLock{{Path: path, Kind: unix.F_WRLCK}}
	})
	release := lockFile(t, path, unix.F_WRLCK)
	data, _ := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)
	if out := <-r.ask(t, fromReload()); out.Code != supervisor.ExitDeferred || !strings.Contains(out.Text, "package transaction") {
		t.Errorf("got %+v", out)
	}
	release()
	if out := <-r.ask(t, fromReload()); out.Result != supervisor.Upgraded {
		t.Errorf("after it: %+v", out)
	}
}
