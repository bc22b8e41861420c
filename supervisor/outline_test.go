package supervisor_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// An outline is the status without what has to be looked at.
func TestOutline(t *testing.T) {
	n := start(t, traffic.Site{})
	r := run(t, n, newStore(t), quick())
	compare := func(when string) {
		t.Helper()
		want := r.Status()
		if len(want.Masters) == 0 && want.MainPID != 0 {
			t.Errorf("%s: the status has no masters", when)
		}
		want.Last, want.Masters = nil, []supervisor.MasterStatus{}
		if diff := cmp.Diff(want, r.Outline()); diff != "" {
			t.Errorf("%s (-status +outline):\n%s", when, diff)
		}
	}
	r.upToDate(t) // so that nothing changes while it is looked at twice
	compare("attached")
	nginxtest.Install(t, n.Binary, newer(t, n))
	r.Poke()
	r.waitFor(t, "it is upgraded", func(st supervisor.Status) bool {
		return st.Last != nil && st.Last.Result == supervisor.Upgraded && st.Phase == supervisor.Idle && st.MainPID != 0
	})
	r.upToDate(t)
	compare("upgraded")
}
