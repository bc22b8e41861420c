package supervisor_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// Where Confirm=manual is set while the old master still drains, by a restart of the
// daemon, nobody was asked before: the time to confirm begins then.
func TestConfirmIsAskedForLate(t *testing.T) {
	t.Parallel()
	n, _, store := interrupted(t, supervisor.Draining, func(u *supervisor.UpgradeConfig) { u.KeepOldSec = time.Hour })
	const limit = 10 * time.Second
	rec, err := store.LoadRunning("test")
	if err != nil {
		t.Fatal(err)
	}
	last := &rec.Steps[len(rec.Steps)-1]
	last.Started = last.Started.Add(-limit) // it has drained for long
	if err := store.SaveRunning(rec); err != nil {
		t.Fatal(err)
	}
	c := quick()
	c.Upgrade.ConfirmManual, c.Upgrade.ConfirmTimeoutSec = true, limit
	r := run(t, n, store, c)
	r.waitFor(t, "somebody is asked", func(s supervisor.Status) bool { return strings.Contains(s.Reason, "confirm") })
	q := request(supervisor.WaitDone)
	q.Action = supervisor.ActionConfirm
	if out, err := r.Do(t.Context(), q); err != nil || out.Code != supervisor.ExitOK {
		t.Errorf("got %+v, %v", out, err)
	}
	r.waitFor(t, "it is upgraded", func(s supervisor.Status) bool { return s.Last != nil && s.Last.Result == supervisor.Upgraded })
}
