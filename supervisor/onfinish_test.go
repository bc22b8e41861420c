package supervisor_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// OnFinish is told of exactly what is in the history: an upgrade, a refusal once,
// and not that there was nothing to do.
func TestOnFinish(t *testing.T) {
	n := start(t, traffic.Site{})
	store := newStore(t)
	o := options(t, store, quick())
	var told []*supervisor.Record
	o.OnFinish = func(r *supervisor.Record) { told = append(told, r) }
	s := supervisor.New(instanceOf(n, quick()), o)
	ask := func(want int) {
		t.Helper()
		if out := s.Once(t.Context(), request(supervisor.WaitDone)); out.Code != want {
			t.Fatalf("got %+v, want %d", out, want)
		}
	}
	nginxtest.Install(t, n.Binary, newer(t, n))
	ask(supervisor.ExitOK)
	ask(supervisor.ExitOK)
	nginxtest.Install(t, n.Binary, []byte("no program"))
	ask(supervisor.ExitRejected)
	ask(supervisor.ExitRejected)
	if diff := cmp.Diff(inJSON(t, history(t, store)), inJSON(t, told)); diff != "" {
		t.Errorf("history (-) and told (+):\n%s", diff)
	}
	if len(told) != 2 || told[0].Result != supervisor.Upgraded || told[1].Result != supervisor.Rejected || told[1].Finished == nil {
		t.Errorf("told %+v", told)
	}
}

func inJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
