package supervisor_test

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// A reload of the unit in mid-cycle makes systemd follow the successor while old is
// its parent. Systemd is told of that also where somebody else sends QUIT to old,
// whatever the end is then.
func TestMovedByAReloadAndQUITByAScript(t *testing.T) {
	t.Parallel()
	for want, phase := range map[supervisor.Result]supervisor.Phase{supervisor.Upgraded: supervisor.Draining, supervisor.Lost: supervisor.Soaking} {
		t.Run(string(want), func(t *testing.T) {
			t.Parallel()
			unit := newFakeUnit("nginx.service", "", 0)
			n, r, answer := inPhase(t, phase, unit)
			successor := n.PID(t)
			unit.change(func(s *systemd.State) { s.MainPID, s.Changed = successor, time.Now() })
			signal(t, successor, unix.SIGHUP) // nginx -s reload
			nginxtest.Eventually(t, "the reload is noticed", func() bool { return runningRecord(t, r).Reloaded })
			signal(t, n.Master, unix.SIGQUIT)
			if want == supervisor.Lost {
				gone(t, n.Master)
				q := request(supervisor.WaitDone)
				q.Action = supervisor.ActionRollback
				go func() { _, _ = r.Do(t.Context(), q) }()
			}
			if out := <-answer; out.Result != want {
				t.Errorf("got %+v", out)
			}
			unit.mu.Lock()
			defer unit.mu.Unlock()
			if unit.reloads == 0 {
				t.Error("systemd takes the successor for somebody else's child")
			}
		})
	}
}
