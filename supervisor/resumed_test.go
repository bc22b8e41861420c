package supervisor_test

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

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
