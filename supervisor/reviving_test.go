package supervisor

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// WINCH that reaches a master after it has noticed the end of its successor
// leaves it without workers, and HUP would load the configuration, which may be
// broken by then. A successor that goes at once, even one that does not come up,
// makes it start workers again.
func TestWINCHAfterTheSuccessorsDeath(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]bool{"": false, "broken configuration": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := nginxtest.Start(t, traffic.Site{})
			s := attachTo(t, n)
			tree, err := nginx.ReadTree(s.current.ID)
			if err != nil {
				t.Fatal(err)
			}
			held, err := s.current.Listeners()
			if err != nil {
				t.Fatal(err)
			}
			if err := s.current.Signal(unix.SIGWINCH); err != nil {
				t.Fatal(err)
			}
			nginxtest.Eventually(t, "there are no workers", func() bool {
				tree, err := nginx.ReadTree(s.current.ID)
				return err == nil && len(tree.Children) == 0
			})
			if broken {
				put(t, n.ConfigPath(), "no_such_directive;\n")
			}
			c := s.newCycle(t.Context(), s.current, &Record{Instance: "test", Phase: Shifting,
				Old:       Generation{PID: s.current.PID, Start: s.current.Start, Workers: identities(tree.With(nginx.RoleWorker)), Listeners: held},
				Successor: Generation{Version: "1.99.9"}})
			defer c.close()
			result, err := c.goBack(t.Context(), Reviving, &badSign{text: "the successor died"})
			if err != nil || result != RolledBack {
				t.Errorf("got %s, %v", result, err)
			}
			nginxtest.Eventually(t, "all workers are back", func() bool {
				tree, err := nginx.ReadTree(s.current.ID)
				return err == nil && len(tree.With(nginx.RoleWorker)) == n.Workers && len(tree.Children) == n.Workers
			})
			if masters := n.Masters(t); len(masters) != 1 || n.PID(t) != n.Master {
				t.Errorf("masters %v, pid file %d", masters, n.PID(t))
			}
		})
	}
}
