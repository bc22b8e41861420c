package supervisor_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// A daemon that was started anew waits for the end of a package transaction, too,
// before it puts the kept binary in the place of a condemned one that is all that
// serves; a hook of the transaction, which holds the lock, does not wait with it.
func TestGoesForwardAfterTheTransaction(t *testing.T) {
	t.Parallel()
	n := start(t, site(t))
	lock := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	unlock := lockFile(t, lock, unix.F_WRLCK)
	unit := &interruptedUnit{fakeUnit: newFakeUnit("nginx.service", n.PIDPath(), n.Master)}
	c, store := quick(), newStore(t)
	c.Automatic = false
	c.Upgrade.SoakSec = time.Hour
	change := func(o *supervisor.Options) {
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
	bad := readFile(t, n.Binary)
	next := run(t, n, store, c, change)
	next.waitFor(t, "it waits", func(s supervisor.Status) bool { return s.Phase == supervisor.Restoring })
	q := request(supervisor.WaitDone)
	q.Origin = supervisor.OriginDpkg
	select {
	case out := <-next.ask(t, q):
		if out.Result != supervisor.RolledBack && out.Result != supervisor.Lost {
			t.Errorf("got %+v", out)
		}
	case <-time.After(10 * time.Second):
		t.Error("the hook waits for the lock that it holds")
	}
	time.Sleep(2 * time.Second)
	if readFile(t, n.Binary) != bad {
		t.Error("the file was exchanged in the middle of a package transaction")
	}
	unlock()
	nginxtest.Eventually(t, "the kept binary is back", func() bool { return readFile(t, n.Binary) != bad })
}
