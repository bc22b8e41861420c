package supervisor_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// Somebody tells the successor to go, which has something to finish: until then
// neither master accepts. Old does again at once, and the build is not condemned for
// probes that nobody answers.
func TestSuccessorToldToGoWhileSoaking(t *testing.T) {
	t.Parallel()
	n := start(t, site(t))
	c := quick()
	c.Upgrade.SoakSec, c.Upgrade.DismissTimeoutSec = time.Hour, time.Hour
	r := runByHand(t, n, newStore(t), c)
	nginxtest.Install(t, n.Binary, newer(t, n))
	answer := r.askUntil(t, request(supervisor.WaitDone), supervisor.Soaking)
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
	r.waitFor(t, "it is left alone", func(s supervisor.Status) bool { return s.Phase == supervisor.Idle && s.Pending })
	requireOldServes(t, n)
}
