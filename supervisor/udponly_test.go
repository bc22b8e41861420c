package supervisor_test

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/freeport"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// A reload that leaves nothing but UDP, which is no socket that a master closes when
// it is told to go, is a reload.
func TestReloadToUDPOnly(t *testing.T) {
	t.Parallel()
	const module = "/usr/lib/nginx/modules/ngx_stream_module.so"
	if !nginxtest.Exists(module) {
		nginxtest.Unable(t, "nginx has no stream module")
	}
	n, r, answer := inPhase(t, supervisor.Draining, nil)
	config := fmt.Sprintf("load_module %s;\nworker_processes 2;\npid %s;\nerror_log %s notice;\nevents {}\nstream { server { listen %s udp; return ok; } }\n",
		module, n.PIDPath(), n.ErrorLogPath(), freeport.Address(t))
	if err := os.WriteFile(n.ConfigPath(), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	signal(t, n.PID(t), unix.SIGHUP)
	if out := <-answer; out.Result != supervisor.Upgraded {
		t.Errorf("got %+v", out)
	}
	gone(t, n.Master)
	r.waitFor(t, "the successor is looked after", func(s supervisor.Status) bool {
		return s.Phase == supervisor.Idle && s.MainPID == n.PID(t)
	})
}
