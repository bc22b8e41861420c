package supervisor_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// lostInTransaction is a condemned build whose old master was told to go, while a
// package transaction runs and the daemon is stopped.
func lostInTransaction(t *testing.T, c supervisor.Config) (n *nginxtest.Nginx, store supervisor.Store, change func(*supervisor.Options), unlock func()) {
	t.Helper()
	n, store = start(t, site(t)), newStore(t)
	lock := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	unlock = lockFile(t, lock, unix.F_WRLCK)
	unit := &interruptedUnit{fakeUnit: newFakeUnit("nginx.service", n.PIDPath(), n.Master)}
	change = func(o *supervisor.Options) {
		o.Systemd, o.PackageLocks = unit, []supervisor.PackageLock{{Path: lock, Kind: unix.F_WRLCK}}
	}
	r := run(t, n, store, c, change)
	r.upToDate(t)
	nginxtest.Install(t, n.Binary, newer(t, n))
	answer := r.askUntil(t, request(supervisor.WaitDone), supervisor.Soaking)
	successor := n.PID(t)
	unit.then(func() bool {
		if r.Outline().Phase != supervisor.Returning {
			return false
		}
		toldToGo(t, n.Master)
		return true
	})
	signal(t, processes(t, successor).With(nginx.RoleWorker)[0].PID, unix.SIGABRT)
	if out := <-answer; out.Result != supervisor.Lost {
		t.Fatalf("got %+v", out)
	}
	r.stop()
	gone(t, n.Master)
	unit.change(func(s *systemd.State) { s.MainPID = successor })
	return n, store, change, unlock
}

// A condemned build whose old master was told to go serves until a package transaction
// ends. That the daemon is started anew meanwhile changes nothing of what is to come.
func TestGoesForwardAfterARestart(t *testing.T) {
	t.Parallel()
	c := quick()
	c.Upgrade.SoakSec = time.Hour
	n, store, change, unlock := lostInTransaction(t, c)
	stop := lightTraffic(t, n)
	unlock()
	next := run(t, n, store, quick(), change) // the way back has to end
	next.waitFor(t, "the kept build serves again", func(s supervisor.Status) bool {
		return s.Phase == supervisor.Idle && s.Running.Version == n.Version && strings.Contains(s.Alert, "stands in for")
	})
	stop()
	records := history(t, store)
	if len(records) != 2 || records[0].Result != supervisor.Lost || records[1].Result != supervisor.Upgraded {
		t.Errorf("records: %+v", records)
	}
	requireServer(t, n, n.Version)
}
