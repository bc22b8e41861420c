package supervisor_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// TestShownAfterUpgrade looks at every change of what is shown: who asks when it is
// over sees the new master, and neither the old one nor none.
func TestShownAfterUpgrade(t *testing.T) {
	t.Parallel()
	n := start(t, traffic.Site{})
	var asked atomic.Pointer[supervisor.Supervisor]
	var mu sync.Mutex
	var shown []supervisor.Status
	r := run(t, n, newStore(t), quick(), func(o *supervisor.Options) {
		o.OnChange = func() {
			if s := asked.Load(); s != nil {
				mu.Lock()
				defer mu.Unlock()
				shown = append(shown, s.Outline())
			}
		}
	})
	r.upToDate(t)
	data, version := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)
	asked.Store(r.Supervisor)
	if out := <-r.ask(t, request(supervisor.WaitDone)); out.Result != supervisor.Upgraded {
		t.Fatalf("got %+v", out)
	}
	r.upToDate(t)
	mu.Lock()
	defer mu.Unlock()
	ran, after := false, 0
	for _, st := range shown {
		if st.Phase != supervisor.Idle {
			ran = true
			continue
		}
		if !ran {
			continue
		}
		after++
		if st.MainPID == 0 || st.MainPID == n.Master || st.Running.Version != version {
			t.Errorf("afterwards: %+v", st)
		}
	}
	if after == 0 {
		t.Error("nothing was shown afterwards")
	}
}
