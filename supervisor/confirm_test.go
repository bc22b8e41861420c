package supervisor_test

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// Where a package's script has told the old master to go that Confirm=manual keeps,
// nobody is asked to confirm what cannot be taken back any more, and the upgrade is
// not called lost when nobody does.
func TestNothingToConfirmWithoutOld(t *testing.T) {
	t.Parallel()
	for name, sig := range map[string]unix.Signal{"told to go": unix.SIGQUIT, "killed": unix.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := start(t, site(t))
			c := quick()
			c.Upgrade.ConfirmManual, c.Upgrade.ConfirmTimeoutSec = true, time.Hour
			r := runByHand(t, n, newStore(t), c)
			stop := lightTraffic(t, n)
			data, version := n.Newer(t, '9')
			nginxtest.Install(t, n.Binary, data)
			answer := r.askUntil(t, request(supervisor.WaitDone), supervisor.Draining)
			signal(t, n.Master, sig)
			r.waitFor(t, "the cycle ends", func(s supervisor.Status) bool { return s.Phase == supervisor.Idle && s.Running.Version == version })
			if out := <-answer; out.Result != supervisor.Upgraded || out.Code != supervisor.ExitOK {
				t.Errorf("got %+v", out)
			}
			stop()
			if rec := history(t, r.store)[0]; rec.Confirmed {
				t.Error("the record says that somebody has confirmed it")
			}
		})
	}
}
