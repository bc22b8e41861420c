package supervisor_test

import (
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// by is a request of somebody's.
func by(origin supervisor.Origin) supervisor.Request {
	r := request(supervisor.WaitVerdict)
	r.Origin = origin
	return r
}

var hooks = []supervisor.Origin{supervisor.OriginDpkg, supervisor.OriginRPM, supervisor.OriginNeedrestart}

// A package manager's hooks run for other packages, too: what a person took back
// they leave alone, and a person can have it again.
func TestHooksLeaveARollbackAlone(t *testing.T) {
	t.Parallel()
	n := start(t, traffic.Site{})
	c := quick()
	c.Upgrade.KeepOldSec = time.Minute
	r := run(t, n, newStore(t), c)
	r.upToDate(t)
	nginxtest.Install(t, n.Binary, newer(t, n))
	if out, err := r.Upgrade(t.Context(), by(supervisor.OriginDpkg)); err != nil || out.Result != supervisor.Upgraded {
		t.Fatalf("got %+v, %v", out, err)
	}
	q := request(supervisor.WaitDone)
	q.Action = supervisor.ActionRollback
	if out, err := r.Do(t.Context(), q); err != nil || out.Result != supervisor.RolledBack {
		t.Fatalf("got %+v, %v", out, err)
	}
	for _, origin := range hooks {
		if out, err := r.Upgrade(t.Context(), by(origin)); err != nil || out.Code != supervisor.ExitDeferred {
			t.Errorf("%s: got %+v, %v", origin, out, err)
		}
	}
	if got := history(t, r.store); len(got) != 1 {
		t.Errorf("records: %+v", got)
	}
	if out, err := r.Upgrade(t.Context(), by(supervisor.OriginInitscript)); err != nil || out.Result != supervisor.Upgraded {
		t.Errorf("got %+v, %v", out, err)
	}
}

// What was on disk before we came stays there until somebody asks for it. That is
// what needrestart does, which otherwise restarts.
func TestHooksLeaveTheBaselineAlone(t *testing.T) {
	t.Parallel()
	n := start(t, traffic.Site{})
	nginxtest.Install(t, n.Binary, newer(t, n))
	r := run(t, n, newStore(t), quick())
	for _, origin := range []supervisor.Origin{supervisor.OriginDpkg, supervisor.OriginRPM} {
		if out, err := r.Upgrade(t.Context(), by(origin)); err != nil || out.Code != supervisor.ExitDeferred {
			t.Errorf("%s: got %+v, %v", origin, out, err)
		}
	}
	if out, err := r.Upgrade(t.Context(), by(supervisor.OriginNeedrestart)); err != nil || out.Result != supervisor.Upgraded {
		t.Errorf("got %+v, %v", out, err)
	}
}
