package supervisor_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
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

// A successor that somebody has told to go, and that is gone at once, is not tried
// again when nginx is reloaded: who has taken an upgrade back has his reasons.
func TestTakenBackIsLeftAlone(t *testing.T) {
	t.Parallel()
	n := start(t, site(t))
	c := quick()
	c.Upgrade.SoakSec = time.Hour
	// As most people have it: nothing is logged of an end in good order.
	writeFile(t, n.ConfigPath(), strings.Replace(readFile(t, n.ConfigPath()), " notice;", " error;", 1))
	reload(t, n)
	r := run(t, n, newStore(t), c)
	r.upToDate(t)
	nginxtest.Install(t, n.Binary, newer(t, n))
	r.Poke()
	r.waitFor(t, "it soaks", func(s supervisor.Status) bool { return s.Phase == supervisor.Soaking })
	signal(t, n.PID(t), unix.SIGQUIT)
	r.waitFor(t, "it is left alone", func(s supervisor.Status) bool { return s.Phase == supervisor.Idle && s.Pending })
	reload(t, n)
	for range 3 {
		r.Poke()
		// Answered when everything before it is done.
		q := request(supervisor.WaitDone)
		q.DryRun = true
		<-r.ask(t, q)
	}
	if records := history(t, r.store); len(records) != 1 || records[0].Condemned || r.Status().Phase != supervisor.Idle {
		t.Errorf("records: %+v, phase %s", records, r.Status().Phase)
	}
	requireOldServes(t, n)
}

func reload(t *testing.T, n *nginxtest.Nginx) {
	t.Helper()
	before := workersOf(t, n.Master, nginx.RoleWorker)
	signal(t, n.Master, unix.SIGHUP)
	nginxtest.Eventually(t, "it is reloaded", func() bool {
		now := workersOf(t, n.Master, nginx.RoleWorker)
		return len(now) == n.Workers && !slices.Contains(now, before[0])
	})
}
