package supervisor

import (
	"context"
	"fmt"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// ownReload is a unit whose own reload has asked for the cycle
// (Request.FromReload). It waits for our answer, so that job is nothing to wait
// for; and it is no wish beyond what the successor does at its start, which is to
// load the configuration.
type ownReload struct{ Unit }

// State is the unit's without its reload.
func (u ownReload) State(ctx context.Context) (systemd.State, error) {
	state, err := u.Unit.State(ctx)
	if state.JobType == "reload" {
		state.JobID, state.JobType = 0, ""
	}
	if state.ActiveState == "reloading" {
		state.ActiveState = "active"
	}
	return state, err
}

// beginOwnReload is for a request that comes from the reload of the unit.
func (m *master) beginOwnReload() {
	if m.unit != nil {
		m.unit = ownReload{m.unit}
	}
}

// endOwnReload is when the answer is given: from then on a reload of the unit is
// another one, or the end of this one, for which it is well to wait.
func (m *master) endOwnReload() {
	if own, ok := m.unit.(ownReload); ok {
		m.unit = own.Unit
	}
}

// mayServeReload answers a reload of the unit that is to load the configuration
// and no more. It comes from certificate renewals and maintainer scripts, too, so
// it does not try again what has failed.
func (s *Supervisor) mayServeReload(c *candidate) (Outcome, bool) {
	text := ""
	lock, err := TransactionRuns(s.locks)
	switch {
	case err != nil:
		return outcomeOf(err), true
	case lock != "":
		text = "a package transaction runs (" + lock + " is locked), its end is awaited"
	case s.stillRefused(c):
		text = s.attachment.Refused.Text
	default:
		return Outcome{}, false
	}
	return Outcome{Code: ExitDeferred, Result: Deferred, Text: fmt.Sprintf("%s is not tried: %s", c.what(), text)}, true
}
