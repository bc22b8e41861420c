package supervisor_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// An old master that somebody has stopped takes no QUIT: its end is waited for, and
// a person is told what brings it about.
func TestOldDoesNotGo(t *testing.T) {
	t.Parallel()
	n := start(t, site(t))
	c := quick()
	c.Upgrade.ConfirmManual, c.Upgrade.ConfirmTimeoutSec = true, time.Hour
	r := runByHand(t, n, newStore(t), c, supervisor.ShortLingering)
	stop := lightTraffic(t, n)
	data, version := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)
	answer := r.askUntil(t, request(supervisor.WaitDone), supervisor.Draining)
	signal(t, n.Master, unix.SIGSTOP)
	if out, err := r.Do(t.Context(), supervisor.Request{Action: supervisor.ActionConfirm}); err != nil || out.Code != supervisor.ExitOK {
		t.Fatalf("got %+v, %v", out, err)
	}
	r.waitFor(t, "a person is told", func(s supervisor.Status) bool {
		return s.Phase == supervisor.Retiring && strings.Contains(s.Reason, fmt.Sprintf("`kill -CONT %d`", n.Master))
	})
	signal(t, n.Master, unix.SIGCONT)
	r.waitFor(t, "the cycle ends", func(s supervisor.Status) bool {
		return s.Phase == supervisor.Idle && s.Running.Version == version && s.Reason == ""
	})
	if out := <-answer; out.Result != supervisor.Upgraded {
		t.Errorf("got %+v", out)
	}
	stop()
}
