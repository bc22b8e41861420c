package supervisor_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// An nginx that listens nowhere, because its sites are still to come, is upgraded
// like any other: that its successor listens nowhere either says nothing.
func TestUpgradeWithoutListeners(t *testing.T) {
	t.Parallel()
	n := nginxtest.Prepare(t, traffic.Site{})
	config := fmt.Sprintf("worker_processes 2;\npid %s;\nerror_log %s notice;\nevents {}\nhttp {}\n", n.PIDPath(), n.ErrorLogPath())
	if err := os.WriteFile(n.ConfigPath(), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := nginxtest.Execute(t.Context(), n.Binary, n.Args()...); err != nil {
		t.Fatal(err)
	}
	nginxtest.Eventually(t, "the pid file is written", func() bool { return nginxtest.Exists(n.PIDPath()) })
	n.Master = n.PID(t)
	r := runByHand(t, n, newStore(t), quick())
	nginxtest.Install(t, n.Binary, newer(t, n))
	if out := <-r.ask(t, request(supervisor.WaitDone)); out.Result != supervisor.Upgraded {
		t.Errorf("got %+v", out)
	}
}
