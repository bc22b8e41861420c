package nginx_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// needTracing skips what only the right to trace the process allows. An
// ordinary user may trace his own, except under Yama.
func needTracing(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		nginxtest.Unable(t, "only root may trace any process")
	}
}

// open takes hold of a process until the end of the test.
func open(t *testing.T, pid int) *nginx.Process {
	t.Helper()
	p, err := nginx.Open(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func signal(t *testing.T, p *nginx.Process, sig unix.Signal) {
	t.Helper()
	if err := p.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// child is a process that runs a shell script once its input is closed.
type child struct {
	*nginx.Process
	cmd   *exec.Cmd
	input io.Closer
}

func startChild(t *testing.T, script string) *child {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", "read x; "+script)
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &child{open(t, cmd.Process.Pid), cmd, input}
}

// end lets it run its script and waits until it is a zombie.
func (c *child) end(t *testing.T) {
	t.Helper()
	if err := c.input.Close(); err != nil {
		t.Fatal(err)
	}
	<-c.Exited()
}

// prepare makes a server that is not started. Its configuration names no pid
// file.
func prepare(t *testing.T, site traffic.Site) *nginxtest.Nginx {
	t.Helper()
	n := nginxtest.Prepare(t, site)
	config, err := os.ReadFile(n.ConfigPath())
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(config), "pid "+n.PIDPath()+";", "", 1)
	if text == string(config) {
		t.Fatalf("no pid directive in %s", config)
	}
	writeFile(t, n.ConfigPath(), text)
	return n
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// launch starts a server with these very arguments from its own directory, and
// returns its master.
func launch(t *testing.T, n *nginxtest.Nginx, env []string, argv ...string) *nginx.Process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), argv[0])
	cmd.Path = argv[0] // also if it is not to be found in $PATH
	cmd.Err = nil
	cmd.Args = argv
	cmd.Dir = n.Dir
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
	return open(t, n.PID(t))
}

// upgrade sends USR2 and returns the successor once it has workers. A master
// that has none yet may not be waiting for signals: it would take this one with
// the next.
func upgrade(t *testing.T, old *nginx.Process) *nginx.Process {
	t.Helper()
	nginxtest.Eventually(t, "the old master has workers", func() bool { return nginxtest.Serves(old.ID) })
	signal(t, old, unix.SIGUSR2)
	var successor nginx.ID
	nginxtest.Eventually(t, "the successor has workers", func() bool {
		for _, c := range readTree(t, old.ID).Successors() {
			successor = c.ID
			return c.Role == nginx.RoleMaster && nginxtest.Serves(c.ID)
		}
		return false
	})
	return open(t, successor.PID)
}

func readTree(t *testing.T, master nginx.ID) nginx.Tree {
	t.Helper()
	tree, err := nginx.ReadTree(master)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// workers waits until a master has that many workers in a role and no others.
func workers(t *testing.T, master nginx.ID, role nginx.Role, count int) []nginx.Child {
	t.Helper()
	var found []nginx.Child
	nginxtest.Eventually(t, "the workers are "+string(role), func() bool {
		tree := readTree(t, master)
		found = tree.With(role)
		return len(found) == count && len(tree.Children) == count+len(tree.Successors())
	})
	return found
}

// copyBinary puts the server's binary elsewhere in its directory.
func copyBinary(t *testing.T, n *nginxtest.Nginx, name string) string {
	t.Helper()
	data, err := os.ReadFile(n.Binary)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(n.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	nginxtest.Install(t, path, data)
	return path
}

func replaceOnce(t *testing.T, text, old, replacement string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q is not once in %q", old, text)
	}
	return strings.Replace(text, old, replacement, 1)
}
