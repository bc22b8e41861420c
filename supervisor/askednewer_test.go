package supervisor_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// Who asks for a newer build while the old master is only kept gets it at once, also
// where nothing is upgraded without being asked.
func TestAskedForWhileOldIsKept(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ hold, force bool }{"Automatic=no": {}, "held": {true, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, r, first := inPhase(t, supervisor.Draining, nil)
			if tt.hold {
				q := request(supervisor.WaitDone)
				q.Action = supervisor.ActionHold
				if _, err := r.Do(t.Context(), q); err != nil {
					t.Fatal(err)
				}
			}
			stop := lightTraffic(t, n)
			data, version := n.Newer(t, '8')
			nginxtest.Install(t, n.Binary, data)
			q := request(supervisor.WaitVerdict)
			q.Force = tt.force
			second := r.ask(t, q)
			r.waitFor(t, "the newer one serves", func(s supervisor.Status) bool {
				return s.Phase == supervisor.Draining && s.Cycle != nil && s.Disk.Version == version
			})
			if out := <-first; out.Result != supervisor.Upgraded {
				t.Errorf("got %+v", out)
			}
			if out := <-second; out.Result != supervisor.Upgraded {
				t.Errorf("got %+v", out)
			}
			stop()
		})
	}
}

// A package manager's hook, which runs inside the transaction whose end others wait for,
// does not wait for the end of KeepOldSec= either.
func TestHookWhileOldIsKept(t *testing.T) {
	t.Parallel()
	n := start(t, traffic.Site{})
	lock := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := quick()
	c.Upgrade.KeepOldSec = time.Hour
	r := run(t, n, newStore(t), c, func(o *supervisor.Options) {
		o.PackageLocks = []supervisor.PackageLock{{Path: lock, Kind: unix.F_WRLCK}}
	})
	r.upToDate(t)
	nginxtest.Install(t, n.Binary, newer(t, n))
	r.askUntil(t, request(supervisor.WaitDone), supervisor.Draining)
	unlock := lockFile(t, lock, unix.F_WRLCK)
	data, version := n.Newer(t, '8')
	nginxtest.Install(t, n.Binary, data)
	second := r.ask(t, by(supervisor.OriginDpkg))
	r.waitFor(t, "the newer one serves", func(s supervisor.Status) bool {
		return s.Phase == supervisor.Draining && s.Disk.Version == version
	})
	if out := <-second; out.Result != supervisor.Upgraded {
		t.Errorf("got %+v", out)
	}
	unlock()
}
