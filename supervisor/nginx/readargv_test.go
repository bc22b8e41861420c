package nginx_test

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

func TestReadArgv(t *testing.T) {
	needTracing(t)
	tests := map[string]func(*nginxtest.Nginx) []string{
		"directives with spaces": func(n *nginxtest.Nginx) []string {
			return []string{n.Binary, "-p", n.Dir, "-c", n.ConfigPath(), "-g", "daemon on;  pid " + n.PIDPath() + "; "}
		},
		"one word each": func(n *nginxtest.Nginx) []string {
			return []string{n.Binary, "-gpid " + n.PIDPath() + "; daemon on;", "-p" + n.Dir, "-qc", "nginx.conf"}
		},
		"relative": func(n *nginxtest.Nginx) []string {
			return []string{"sbin/nginx", "-p", ".", "-c", "nginx.conf", "-g", "pid nginx.pid;"}
		},
		"a path with spaces": func(n *nginxtest.Nginx) []string {
			return []string{copyBinary(t, n, "my own server/nginx"), "-p", n.Dir, "-c", "nginx.conf", "-g", "pid nginx.pid;"}
		},
		"an empty argument": func(n *nginxtest.Nginx) []string {
			return []string{n.Binary, "-p", n.Dir, "-g", "pid nginx.pid;", "-c", "nginx.conf", "-e", ""}
		},
		"line feeds": func(n *nginxtest.Nginx) []string {
			return []string{n.Binary, "-p", n.Dir, "-c", "nginx.conf", "-g", "\n pid\tnginx.pid;\n\n# -c x\n"}
		},
		"no title": func(n *nginxtest.Nginx) []string {
			return []string{n.Binary, "-p", n.Dir, "-c", "nginx.conf", "-g", "pid nginx.pid; master_process off;"}
		},
	}
	for name, args := range tests {
		t.Run(name, func(t *testing.T) {
			n := prepare(t, traffic.Site{Workers: 1})
			argv := args(n)
			master := launch(t, n, os.Environ(), argv...)
			if name != "no title" {
				nginxtest.Eventually(t, "the title is set", func() bool { return nginx.IsMaster(master.PID) })
			}
			checkArgv(t, master, argv)
		})
	}
}

func checkArgv(t *testing.T, master *nginx.Process, want []string) {
	t.Helper()
	got, err := nginx.ReadArgv(master.PID)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("pid %d: %v %s", master.PID, err, diff)
	}
}

// Every generation has the arguments of the first, byte for byte.
func TestReadArgvOfSuccessor(t *testing.T) {
	needTracing(t)
	n := prepare(t, traffic.Site{Workers: 1})
	argv := []string{"sbin/nginx", "-p", ".", "-cnginx.conf", "-g", "daemon on; pid nginx.pid;"}
	old := launch(t, n, os.Environ(), argv...)
	checkArgv(t, upgrade(t, old), argv)
	checkArgv(t, old, argv)

	worker := workers(t, old.ID, nginx.RoleWorker, 1)[0]
	if got, err := nginx.ReadArgv(worker.PID); err == nil || errors.Is(err, nginx.ErrArgvLost) {
		t.Errorf("a worker: got %q, %v", got, err)
	}
}

// Without an environment a title has the room of the arguments alone and is cut
// off. What is left must never be taken for the arguments.
func TestReadArgvWithoutEnvironment(t *testing.T) {
	needTracing(t)
	for name, args := range map[string][]string{
		"not even the role": {"./n", "-p", ".", "-c", "f"},
		"the role":          {"./n", "-p", ".", "-c", "nginx.conf", "-q"},
		"some arguments":    {"./n", "-p", ".", "-c", "nginx.conf", "-e", "error.log", "-g", "worker_priority 0;"},
	} {
		t.Run(name, func(t *testing.T) {
			n := nginxtest.Prepare(t, traffic.Site{Workers: 1})
			copyBinary(t, n, "n")
			config, err := os.ReadFile(n.ConfigPath())
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, n.Dir+"/f", string(config))
			old := launch(t, n, []string{}, args...)
			nginxtest.Eventually(t, "the title is set", func() bool { return len(readTree(t, old.ID).Children) > 0 })
			if got, err := nginx.ReadArgv(old.PID); !errors.Is(err, nginx.ErrArgvLost) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}
