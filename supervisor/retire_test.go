package supervisor_test

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// A unit that ends while QUIT waits for one of its jobs is started again by
// somebody: what both masters left behind must be gone by then, or the address
// of a unix socket is in use.
func TestUnitEndsBeforeQUIT(t *testing.T) {
	t.Parallel()
	n, r, unit := aboutToRetire(t)
	ended, masters := time.Now(), r.Status().Masters
	unit.change(func(s *systemd.State) { s.ActiveState, s.JobID, s.JobType, s.MainPID = "activating", 8, "start", 0 })
	for _, m := range masters {
		if err := unix.Kill(m.PID, unix.SIGTERM); err != nil && !errors.Is(err, unix.ESRCH) {
			t.Fatal(err)
		}
	}
	r.waitFor(t, "the cycle is over", func(s supervisor.Status) bool { return s.Phase == supervisor.Idle && s.Last != nil })
	// How a master ended is known when its parent has asked; until then it may
	// have been killed.
	if last := r.Status().Last; last.Result != supervisor.Overtaken && last.Result != supervisor.Lost || time.Since(ended) > 20*time.Second {
		t.Errorf("after %v: %+v", time.Since(ended), last)
	}
	if nginxtest.Exists(n.Unix) {
		t.Error("the unix socket was left behind")
	}
}
