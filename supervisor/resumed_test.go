package supervisor_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// What was no fault of the build is tried again when something has changed that it
// may have depended on, also where the daemon was started anew in mid-cycle: that is
// not a person who wants the old version.
func TestRolledBackAfterAnInterruptionIsTriedAgain(t *testing.T) {
	t.Parallel()
	n, _, store := interrupted(t, supervisor.Soaking, func(u *supervisor.UpgradeConfig) { u.SoakSec = time.Hour })
	c := quick()
	c.Upgrade.SoakSec = time.Hour
	r := run(t, n, store, c)
	r.waitFor(t, "it goes on", func(s supervisor.Status) bool { return s.Phase == supervisor.Soaking })
	signal(t, n.PID(t), unix.SIGKILL)
	r.waitFor(t, "it is rolled back and left alone", func(s supervisor.Status) bool {
		return s.Phase == supervisor.Idle && s.Last != nil && s.Last.Result == supervisor.RolledBack && s.Pending
	})
	requireOldServes(t, n)
	if st := r.Status(); st.Phase != supervisor.Idle {
		t.Errorf("it is tried again although nothing has changed: %+v", st)
	}
	writeFile(t, n.ConfigPath(), readFile(t, n.ConfigPath())+"\n# repaired\n")
	r.Poke()
	r.waitFor(t, "it is tried again", func(s supervisor.Status) bool { return s.Phase == supervisor.Soaking })
}

// An old master that somebody has stopped takes no signals, so nobody knows whether
// USR2 had been sent to it. That is told, and looked at again by itself.
func TestGoesOnWhenOldRunsAgain(t *testing.T) {
	t.Parallel()
	n, _, store := interrupted(t, supervisor.Soaking, func(u *supervisor.UpgradeConfig) { u.SoakSec = time.Hour })
	signal(t, n.PID(t), unix.SIGKILL)
	nginxtest.Eventually(t, "old serves alone", func() bool { return len(n.Masters(t)) == 1 && n.PID(t) == n.Master })
	rec, err := store.LoadRunning("test")
	if err != nil {
		t.Fatal(err)
	}
	rec.Phase, rec.Successor.PID, rec.Successor.Start = supervisor.Starting, 0, 0
	if err := store.SaveRunning(rec); err != nil {
		t.Fatal(err)
	}
	signal(t, n.Master, unix.SIGSTOP)
	c := quick()
	c.Automatic = false
	r := run(t, n, store, c)
	r.waitFor(t, "it is told", func(s supervisor.Status) bool { return strings.Contains(s.Reason, "takes no signals") })
	if out := <-r.ask(t, request(supervisor.WaitDone)); out.Code != supervisor.ExitFailure || !strings.Contains(out.Text, "kill -CONT") {
		t.Errorf("got %+v", out)
	}
	signal(t, n.Master, unix.SIGCONT)
	r.waitFor(t, "it is looked after", func(s supervisor.Status) bool { return s.MainPID == n.Master && s.Phase == supervisor.Idle })
}
