package supervisor_test

import (
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// A cycle goes on with the configuration that it has begun with, but what was asked
// for after a new one was given, and had to wait for its end, goes by the new one.
func TestNextCycleGoesByTheNewConfiguration(t *testing.T) {
	t.Parallel()
	n := start(t, traffic.Site{})
	c := quick()
	c.Automatic = false
	c.Upgrade.SoakSec = 5 * time.Second
	r := run(t, n, newStore(t), c)
	r.upToDate(t)
	nginxtest.Install(t, n.Binary, newer(t, n))
	first := r.askUntil(t, request(supervisor.WaitDone), supervisor.Soaking)
	c.Upgrade.ConfirmManual, c.Upgrade.ConfirmTimeoutSec = true, time.Hour
	r.Configure(c)
	data, version := n.Newer(t, '8')
	nginxtest.Install(t, n.Binary, data)
	second := r.ask(t, request(supervisor.WaitVerdict))
	if out := <-first; out.Result != supervisor.Upgraded {
		t.Fatalf("got %+v", out)
	}
	if out := <-second; out.Code != supervisor.ExitOK {
		t.Fatalf("got %+v", out)
	}
	if rec := runningRecord(t, r); rec.Successor.Version != version {
		t.Errorf("%s runs in %s", rec.Successor.Version, rec.Phase)
	}
	q := request(supervisor.WaitDone)
	q.Action = supervisor.ActionConfirm
	if out, err := r.Do(t.Context(), q); err != nil || out.Code != supervisor.ExitOK {
		t.Errorf("nobody was waited for: %+v, %v", out, err)
	}
}

// Nor is anything upgraded by itself any more when Automatic=no was set while an
// upgrade was running.
func TestNoCycleAfterAutomaticNo(t *testing.T) {
	t.Parallel()
	for range 4 { // what is taken first after the cycle was once left to chance
		t.Run("", func(t *testing.T) {
			t.Parallel()
			n := start(t, traffic.Site{})
			c := quick()
			c.Upgrade.SoakSec = 5 * time.Second
			r := run(t, n, newStore(t), c)
			r.upToDate(t)
			data, version := n.Newer(t, '9')
			nginxtest.Install(t, n.Binary, data)
			first := r.askUntil(t, request(supervisor.WaitDone), supervisor.Soaking)
			c.Automatic = false
			r.Configure(c)
			data, _ = n.Newer(t, '8')
			nginxtest.Install(t, n.Binary, data)
			if out := <-first; out.Result != supervisor.Upgraded {
				t.Fatalf("got %+v", out)
			}
			r.waitFor(t, "it is left alone", func(s supervisor.Status) bool {
				return s.Phase == supervisor.Idle && s.Running.Version == version && s.Reason == "Automatic=no"
			})
			if got := history(t, r.store); len(got) != 1 {
				t.Errorf("%d cycles", len(got))
			}
		})
	}
}
