package supervisor_test

import (
	"context"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// brokenUnit is a unit in whose sandbox nothing can be started any more.
type brokenUnit struct{ *fakeUnit }

func (u brokenUnit) Unit(string) supervisor.Unit { return u }

func (u brokenUnit) Run(context.Context, systemd.Command) (systemd.Result, error) {
	return systemd.Result{Exit: 226}, nil
}

// That systemd cannot start the configuration test says nothing about the
// configuration, and is told as what it is.
func TestConfigTestThatCannotStart(t *testing.T) {
	t.Parallel()
	n := start(t, site(t))
	r := run(t, n, newStore(t), quick(), func(o *supervisor.Options) {
		o.Systemd = brokenUnit{newFakeUnit("nginx.service", n.PIDPath(), n.Master)}
	})
	r.upToDate(t)
	nginxtest.Install(t, n.Binary, newer(t, n))
	out := <-r.ask(t, request(supervisor.WaitDone))
	if out.Code != supervisor.ExitRejected || !strings.Contains(out.Text, "status 226/NAMESPACE") {
		t.Errorf("got %+v", out)
	}
	requireOldServes(t, n)
}
