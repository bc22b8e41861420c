package supervisor_test

import (
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
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
