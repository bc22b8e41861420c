// Package nginxtest runs a real nginx for tests: the distribution's binary,
// copied so that a test may replace it, in a directory of its own.
package nginxtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/freeport"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// Nginx is a running server.
type Nginx struct {
	traffic.Site
	Binary  string // the copy that runs
	Version string // of the distribution
	Master  int    // the first one
}

// Unable skips the test, or fails it in CI, where everything must be there.
func Unable(tb testing.TB, why string) {
	tb.Helper()
	if os.Getenv("CI") != "" {
		tb.Fatal(why)
	}
	tb.Skip(why)
}

// Distribution returns the path of the distribution's nginx.
func Distribution(tb testing.TB) string {
	tb.Helper()
	for _, path := range []string{"/usr/sbin/nginx", "/usr/bin/nginx"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	Unable(tb, "nginx is not installed (apt-get install nginx)")
	return ""
}

// Start runs an nginx. What the site leaves empty gets a value. Everything that
// runs from the site's directory is killed at the end of the test.
func Start(tb testing.TB, site traffic.Site) *Nginx {
	tb.Helper()
	n := Prepare(tb, site)
	n.Run(tb)
	return n
}

// Prepare writes everything but does not start it.
func Prepare(tb testing.TB, site traffic.Site) *Nginx {
	tb.Helper()
	source := Distribution(tb)
	site.Dir = tb.TempDir()
	for dir := site.Dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	if site.Listen == "" {
		site.Listen = freeport.Address(tb)
	}
	if site.Workers == 0 {
		site.Workers = 2
	}
	n := &Nginx{Site: site, Binary: filepath.Join(site.Dir, "sbin", "nginx")}
	if err := n.Write(); err != nil {
		tb.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(n.Binary), 0o755); err != nil {
		tb.Fatal(err)
	}
	data, err := os.ReadFile(source)
	if err != nil {
		tb.Fatal(err)
	}
	Install(tb, n.Binary, data)
	v, err := nginx.ReadVersion(tb.Context(), source)
	if err != nil {
		tb.Fatal(err)
	}
	n.Version = v.Number
	tb.Cleanup(func() { n.killAll(tb) })
	return n
}

// Run starts it and waits until it serves.
func (n *Nginx) Run(tb testing.TB) {
	tb.Helper()
	n.Launch(tb)
	// The sockets listen, and the pid file is there, before the master waits
	// for signals: one that comes in between is noticed only with the next.
	Eventually(tb, "nginx has workers", func() bool {
		p, err := nginx.Open(n.Master)
		if err != nil {
			return false
		}
		defer p.Close()
		return Serves(p.ID)
	})
}

// Launch starts it and waits until it listens, whether anybody accepts or not.
func (n *Nginx) Launch(tb testing.TB) {
	tb.Helper()
	if err := Execute(tb.Context(), n.Binary, n.Args()...); err != nil {
		tb.Fatal(err)
	}
	Eventually(tb, "nginx serves", func() bool {
		conn, err := net.DialTimeout("tcp", n.Listen, time.Second)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	n.Master = n.PID(tb)
}

// Execute runs a binary that was just written: whoever forks at that moment holds
// it open for writing until its exec.
func Execute(ctx context.Context, binary string, args ...string) error {
	for end := time.Now().Add(time.Minute); ; {
		out, err := exec.CommandContext(ctx, binary, args...).CombinedOutput()
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.ETXTBSY) || time.Now().After(end) {
			return fmt.Errorf("nginx: %w\n%s", err, out)
		}
	}
}

// Serves reports whether a master waits for signals and has workers that all
// accept.
func Serves(master nginx.ID) bool {
	tree, err := nginx.ReadTree(master)
	if err != nil || len(tree.With(nginx.RoleWorker)) == 0 || len(tree.With(nginx.RoleStarting)) > 0 {
		return false
	}
	// A signal that comes before the master waits for the first time is noted and
	// then slept over.
	signals, err := nginx.ReadSignals(master.PID)
	return err == nil && signals.Waiting()
}

// PID reads the pid file.
func (n *Nginx) PID(tb testing.TB) int {
	tb.Helper()
	pid := 0
	Eventually(tb, "the pid file names a master", func() bool {
		data, err := os.ReadFile(n.PIDPath())
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(data)))
		return err == nil
	})
	return pid
}

// Newer returns the distribution's binary with another version of the same
// length, for example 1.22.9 for 1.22.1: the last digit is changed.
func (n *Nginx) Newer(tb testing.TB, digit byte) (data []byte, version string) {
	tb.Helper()
	data, err := os.ReadFile(Distribution(tb))
	if err != nil {
		tb.Fatal(err)
	}
	version = n.Version[:len(n.Version)-1] + string(digit)
	if data, err = box.PatchVersion(data, n.Version, version); err != nil {
		tb.Fatal(err)
	}
	return data, version
}

// Install puts a file in place as package managers do: a temporary name, then
// a rename.
func Install(tb testing.TB, path string, data []byte) {
	tb.Helper()
	tmp := path + ".new"
	if err := WriteProgram(tb.Context(), tmp, data); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		tb.Fatal(err)
	}
}

// WriteProgram writes a file that is to be executed. A process of its own does it:
// what this one has open, a child that is forked just then for another test has
// open, too, until it executes something, and so long the file cannot be executed
// (execve(2), ETXTBSY).
func WriteProgram(ctx context.Context, path string, data []byte) error {
	cmd := exec.CommandContext(ctx, "dd", "of="+path, "bs=1M", "status=none")
	cmd.Stdin = bytes.NewReader(data)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot write %s: %w\n%s", path, err, out)
	}
	return os.Chmod(path, 0o755)
}

// Masters returns the masters that run from the site's directory.
func (n *Nginx) Masters(tb testing.TB) []int {
	tb.Helper()
	var masters []int
	for _, pid := range n.processes() {
		if nginx.IsMaster(pid) {
			masters = append(masters, pid)
		}
	}
	return masters
}

// processes goes by the executable, which is below a directory of our own.
func (n *Nginx) processes() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		exe, err := os.Readlink("/proc/" + e.Name() + "/exe")
		if err == nil && strings.HasPrefix(exe, n.Dir+"/") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// killAll repeats until nothing is left: a master that is about to be killed
// may just have forked.
func (n *Nginx) killAll(tb testing.TB) {
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		pids := n.processes()
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			if p, err := nginx.Open(pid); err == nil {
				_ = p.Signal(unix.SIGKILL)
				p.Close()
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	tb.Errorf("processes of %s are left: %v", n.Dir, n.processes())
}

// Eventually waits until the condition holds.
func Eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			tb.Fatalf("%s: it did not happen", what)
		case <-time.After(time.Millisecond):
		}
	}
}

// Exists reports whether there is a file.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
