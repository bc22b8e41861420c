package supervisor_test

import (
	"regexp"
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

// KeepOldSec goes on when somebody has confirmed: nothing says then that the old
// version would come back, nor that its master went.
func TestConfirmedAndKept(t *testing.T) {
	t.Parallel()
	for keep, says := range map[time.Duration]string{
		time.Hour:           "is kept for another (59min|1h)",
		supervisor.Infinity: `is kept \(KeepOldSec=infinity\)$`,
		0:                   "goes$",
	} {
		t.Run(keep.String(), func(t *testing.T) {
			t.Parallel()
			n := start(t, site(t))
			c := quick()
			c.Upgrade.ConfirmManual, c.Upgrade.KeepOldSec = true, keep
			r := runByHand(t, n, newStore(t), c)
			data, _ := n.Newer(t, '9')
			nginxtest.Install(t, n.Binary, data)
			r.askUntil(t, request(supervisor.WaitVerdict), supervisor.Draining)
			r.waitFor(t, "somebody is asked", func(s supervisor.Status) bool { return s.Cycle != nil && s.Cycle.ConfirmUntil != nil })
			q := request(supervisor.WaitVerdict)
			q.Action = supervisor.ActionConfirm
			out, err := r.Do(t.Context(), q)
			if err != nil || out.Code != supervisor.ExitOK || !regexp.MustCompile(says).MatchString(out.Text) {
				t.Errorf("got %+v, %v", out, err)
			}
			if s := r.Status(); s.Cycle != nil && s.Cycle.ConfirmUntil != nil || s.Reason != "" {
				t.Errorf("somebody is still asked: %+v", s)
			}
		})
	}
}
