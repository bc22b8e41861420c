package supervisor_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// interrupted is a cycle whose daemon has ended in a phase that takes time.
func interrupted(t *testing.T, phase supervisor.Phase, change func(*supervisor.UpgradeConfig)) (*nginxtest.Nginx, *supervisor.Supervisor, supervisor.Store) {
	t.Helper()
	n, store, c := start(t, traffic.Site{Unix: unixSocket(t)}), newStore(t), quick()
	change(&c.Upgrade)
	r := runByHand(t, n, store, c)
	nginxtest.Install(t, n.Binary, newer(t, n))
	r.askUntil(t, request(supervisor.WaitDone), phase)
	r.stop()
	return n, supervisor.New(instanceOf(n, c), options(t, store, c)), store
}

// A request that comes before anybody has looked again is for the cycle that is gone
// on with: without an answer nobody would confirm it in time.
func TestConfirmBeforeTheFirstLook(t *testing.T) {
	t.Parallel()
	for i := range 4 { // which of the two is taken first is left to chance
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			_, s, store := interrupted(t, supervisor.Draining, func(u *supervisor.UpgradeConfig) { u.ConfirmManual = true })
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			q := request(supervisor.WaitDone)
			q.Action = supervisor.ActionConfirm
			asked := make(chan error, 1)
			var out supervisor.Outcome
			go func() {
				var err error
				out, err = s.Do(ctx, q)
				asked <- err
			}()
			time.Sleep(50 * time.Millisecond) // it waits
			done := make(chan error, 1)
			go func() { done <- s.Run(ctx) }()
			if err := <-asked; err != nil || out.Code != supervisor.ExitOK {
				t.Fatalf("got %+v, %v", out, err)
			}
			nginxtest.Eventually(t, "it is upgraded", func() bool {
				last := store.Last("test")
				return last != nil && last.Result == supervisor.Upgraded && last.Confirmed
			})
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// Where no daemon runs a rollback turns a cycle back that was interrupted, and does
// not wait for its end first.
func TestRollbackOfAnInterruptedCycle(t *testing.T) {
	t.Parallel()
	n, s, _ := interrupted(t, supervisor.Draining, func(u *supervisor.UpgradeConfig) { u.KeepOldSec = time.Hour })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	q := request(supervisor.WaitDone)
	q.Action = supervisor.ActionRollback
	if out := s.Once(ctx, q); out.Result != supervisor.RolledBack || out.Code != supervisor.ExitOK {
		t.Errorf("got %+v", out)
	}
	requireOldServes(t, n)
}

// A dry run signals nobody, also where a cycle waits for somebody to go on with it.
func TestDryRunLeavesAnInterruptedCycleAlone(t *testing.T) {
	t.Parallel()
	n, _, store := interrupted(t, supervisor.Soaking, func(u *supervisor.UpgradeConfig) { u.SoakSec = time.Hour })
	s := supervisor.New(instanceOf(n, quick()), options(t, store, quick()))
	q := request(supervisor.WaitDone)
	q.DryRun = true
	if out := s.Once(t.Context(), q); out.Code != supervisor.ExitDeferred || out.Cycle == "" {
		t.Errorf("got %+v", out)
	}
	if masters := n.Masters(t); len(masters) != 2 {
		t.Errorf("masters %v", masters)
	}
	if out := s.Once(t.Context(), request(supervisor.WaitDone)); out.Code != supervisor.ExitOK || store.Last("test").Result != supervisor.Upgraded {
		t.Errorf("got %+v", out)
	}
}
