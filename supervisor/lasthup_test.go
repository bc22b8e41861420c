package supervisor_test

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// Somebody goes back by hand, or reloads the unit, when Draining is over and QUIT is
// about to be sent: the workers that old has started again do not stay behind.
func TestHUPDirectlyBeforeQUIT(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]supervisor.Result{"by hand": supervisor.RolledBack, "by a reload": supervisor.Upgraded} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := start(t, traffic.Site{Unix: unixSocket(t)})
			unit := &interruptedUnit{fakeUnit: newFakeUnit("nginx.service", n.PIDPath(), n.Master)}
			c := quick()
			c.Automatic = false
			r := run(t, n, newStore(t), c, func(o *supervisor.Options) { o.Systemd = unit })
			r.upToDate(t)
			unit.then(func() bool {
				if r.Outline().Phase != supervisor.Retiring {
					return false
				}
				if want == supervisor.Upgraded {
					unit.change(func(s *systemd.State) { s.Changed = time.Now() })
				}
				if err := unix.Kill(n.Master, unix.SIGHUP); err != nil {
					t.Error(err)
				}
				for len(workersOf(t, n.Master, nginx.RoleWorker)) < n.Workers {
					time.Sleep(time.Millisecond)
				}
				return true
			})
			stop := lightTraffic(t, n)
			nginxtest.Install(t, n.Binary, newer(t, n))
			if out := <-r.ask(t, request(supervisor.WaitDone)); out.Result != want {
				t.Errorf("got %+v", out)
			}
			stop()
			nginxtest.Eventually(t, "nobody is left behind", func() bool {
				return len(n.Masters(t)) == 1 && len(strangers(t, n, processes(t, n.PID(t)))) == 0
			})
		})
	}
}
