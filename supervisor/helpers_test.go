package supervisor_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// lockEnv makes the test binary a holder of a lock: POSIX locks are those of a
// process, so one of our own would not stand in our way.
const lockEnv = "SUPERVISOR_TEST_LOCK"

// oldKernelEnv makes the test binary run its tests as on a kernel before Linux 6.15.
const oldKernelEnv = "SUPERVISOR_TEST_OLD_KERNEL"

func TestMain(m *testing.M) {
	if path := os.Getenv(lockEnv); path != "" {
		if err := holdLock(path, os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(oldKernelEnv) != "" {
		if err := nginxtest.OldKernel(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// holdLock holds a POSIX lock of the given kind until standard input ends.
func holdLock(path, kind string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := strconv.ParseInt(kind, 10, 16)
	if err != nil {
		return err
	}
	if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: int16(n), Whence: io.SeekStart}); err != nil {
		return err
	}
	fmt.Println("locked")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// lockFile makes another process hold a POSIX lock on a file until release is
// called. When that returns the lock is gone.
func lockFile(t *testing.T, path string, kind int16) (release func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, strconv.Itoa(int(kind)))
	cmd.Env = append(os.Environ(), lockEnv+"="+path)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, len("locked\n"))
	if _, err := io.ReadFull(stdout, line); err != nil {
		t.Fatalf("the holder of the lock says %q: %v", line, err)
	}
	return func() {
		t.Helper()
		if err := errors.Join(stdin.Close(), cmd.Wait()); err != nil {
			t.Error(err)
		}
	}
}

// quick is a configuration without waiting for its own sake.
func quick() supervisor.Config {
	c := supervisor.Defaults()
	c.SettleSec = 0
	c.Upgrade.SoakSec = 200 * time.Millisecond
	c.Upgrade.KeepOldSec = 0
	c.Upgrade.StartTimeoutSec = time.Minute
	c.Upgrade.DismissTimeoutSec = 2 * time.Second
	return c
}

// newSupervisor looks after a test's nginx by its pid file.
func newSupervisor(t *testing.T, n *nginxtest.Nginx, c supervisor.Config) *supervisor.Supervisor {
	t.Helper()
	return supervisor.New(instanceOf(n, c), options(t, newStore(t), c))
}

func instanceOf(n *nginxtest.Nginx, c supervisor.Config) supervisor.InstanceConfig {
	return supervisor.InstanceConfig{Name: "test", PIDFile: n.PIDPath(), Upgrade: c.Upgrade}
}

func newStore(t *testing.T) supervisor.Store {
	t.Helper()
	dir := t.TempDir()
	return supervisor.Store{Runtime: filepath.Join(dir, "run"), State: filepath.Join(dir, "lib")}
}

func options(t *testing.T, store supervisor.Store, c supervisor.Config) supervisor.Options {
	return supervisor.Options{
		Config: c,
		Store:  store,
		Log:    testLog(t),
		// The machine's own package manager is no matter of these tests.
		PackageLocks: []supervisor.PackageLock{},
	}
}

func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(string(bytes.TrimSpace(p)))
	return len(p), nil
}

// request is what a command asks for.
func request(wait supervisor.Wait) supervisor.Request {
	return supervisor.Request{Origin: supervisor.OriginCLI, Wait: wait}
}

// history returns the finished records, oldest first.
func history(t *testing.T, store supervisor.Store) []*supervisor.Record {
	t.Helper()
	records, err := store.History(testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// site has something for every kind of client.
func site(t *testing.T) traffic.Site {
	t.Helper()
	upstream, err := traffic.EchoUpstream("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { upstream.Close() })
	return traffic.Site{Unix: unixSocket(t), Upstream: upstream.Addr(), BigSize: 8 << 20}
}

// unixSocket is a name for a socket that workers may reach.
func unixSocket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sock") // sun_path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "http")
}

// lightTraffic runs short requests until the end of the test or stop, and no
// request may fail. It returns when the first one was answered.
func lightTraffic(t *testing.T, n *nginxtest.Nginx) (stop func()) {
	t.Helper()
	targets := []traffic.Target{
		{Kind: traffic.New, URL: "http://" + n.Listen + "/", Clients: 2, Interval: 5 * time.Millisecond},
		{Kind: traffic.KeepAlive, URL: "http://" + n.Listen + "/", Clients: 2},
	}
	if n.Unix != "" {
		targets = append(targets, traffic.Target{Kind: traffic.Unix, URL: "http://localhost/", Unix: n.Unix, Clients: 1})
	}
	load, err := traffic.Start(traffic.Config{Targets: targets, Timeout: time.Minute}) // a test may stop a worker for a while
	if err != nil {
		t.Fatal(err)
	}
	nginxtest.Eventually(t, "requests are answered", func() bool { return load.Snapshot().Total.OK > 0 })
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		report := load.Stop()
		if err := report.Verdict(); err != nil {
			t.Errorf("%v: %v", err, report.Failures)
		}
	}
	t.Cleanup(stop)
	return stop
}

// start runs an nginx and waits until it is past its start-up.
func start(t *testing.T, site traffic.Site) *nginxtest.Nginx {
	t.Helper()
	n := nginxtest.Start(t, site)
	processes(t, n.Master)
	return n
}

// siteWorkers is how many workers a site has that does not say.
const siteWorkers = 2

// processes is a master with all its workers, past their initialisation, to
// see whether they are the same later.
func processes(t *testing.T, master int) nginx.Tree {
	t.Helper()
	p, err := nginx.Open(master)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var tree nginx.Tree
	nginxtest.Eventually(t, "all workers are initialised, and the master waits", func() bool {
		if tree, err = nginx.ReadTree(p.ID); err != nil {
			t.Fatal(err)
		}
		return nginxtest.Serves(p.ID) && len(tree.With(nginx.RoleWorker)) == siteWorkers
	})
	return tree
}

// signal sends a signal to a process of a test and returns when a stop has taken
// effect: a process that is not stopped yet takes the signals of lower numbers first.
func signal(t *testing.T, pid int, sig unix.Signal) {
	t.Helper()
	p, err := nginx.Open(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Signal(sig); err != nil {
		t.Fatal(err)
	}
	if sig == unix.SIGSTOP {
		nginxtest.Eventually(t, "it is stopped", func() bool {
			stat, err := nginx.ReadStat(pid)
			return err != nil || stat.State == 'T' || stat.State == 'Z'
		})
	}
}

// gone waits until a process has ended.
func gone(t *testing.T, pid int) {
	t.Helper()
	p, err := nginx.Open(pid)
	if errors.Is(err, nginx.ErrGone) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	select {
	case <-p.Exited():
	case <-time.After(time.Minute):
		t.Fatalf("process %d does not end", pid)
	}
}
