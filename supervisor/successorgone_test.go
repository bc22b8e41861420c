package supervisor_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// Also after the verdict neither master accepts while a successor that was told to go
// finishes something.
func TestSuccessorToldToGoWhileDraining(t *testing.T) {
	t.Parallel()
	n := start(t, site(t))
	c := quick()
	c.Upgrade.KeepOldSec, c.Upgrade.DismissTimeoutSec = time.Hour, time.Hour
	r := runByHand(t, n, newStore(t), c)
	nginxtest.Install(t, n.Binary, newer(t, n))
	answer := r.askUntil(t, request(supervisor.WaitDone), supervisor.Draining)
	finish := streams(t, n)
	stop := lightTraffic(t, n)
	signal(t, n.PID(t), unix.SIGQUIT)
	r.waitFor(t, "it goes back", func(s supervisor.Status) bool { return s.Phase == supervisor.Dismissing })
	finish()
	if out := <-answer; out.Result != supervisor.RolledBack || !strings.Contains(out.Text, "somebody has told successor") {
		t.Errorf("got %+v", out)
	}
	stop()
	if rec := history(t, r.store)[0]; rec.Condemned {
		t.Errorf("the build is condemned: %s", rec.Reason)
	}
	requireOldServes(t, n)
}
