package supervisor_test

import (
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// A program that a module of the old master has executed is not dismissed in the place
// of a successor that never came up.
func TestStrangerIsNotDismissed(t *testing.T) {
	t.Parallel()
	n := nginxtest.Prepare(t, traffic.Site{})
	nginxtest.Install(t, n.Binary, badnginx.Make(t, n.Dir, badnginx.Helper, '1'))
	n.Run(t)
	helpers := processes(t, n.Master).Successors()
	if len(helpers) != 1 {
		t.Fatalf("%d children were executed", len(helpers))
	}
	helper, err := nginx.OpenID(helpers[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	defer helper.Close()
	r := runByHand(t, n, newStore(t), quick())
	nginxtest.Install(t, n.Binary, makeBad(t, n, badnginx.ExitAtStart, 0))
	out := <-r.ask(t, request(supervisor.WaitDone))
	if out.Result != supervisor.RolledBack {
		t.Errorf("got %+v", out)
	}
	if records := history(t, r.store); len(records) != 1 || records[0].Successor.PID == helper.PID {
		t.Errorf("the successor on record is the program: %+v", records)
	}
	if !helper.Alive() {
		t.Error("it was told to go")
	}
}
