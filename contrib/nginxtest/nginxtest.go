// Package nginxtest runs a real nginx for tests: the distribution's binary,
// copied so that a test may replace it, in a directory of its own.
package nginxtest

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

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

// Serves reports whether a master waits for signals and has workers that all
// accept.
func Serves(master nginx.ID) bool {
	// A signal that comes before the master waits for the first time is noted and
	// then slept over. Once it waits it has forked all of its workers.
	signals, err := nginx.ReadSignals(master.PID)
	if err != nil || !signals.Waiting() {
		return false
	}
	tree, err := nginx.ReadTree(master)
	return err == nil && len(tree.With(nginx.RoleWorker)) > 0 && len(tree.With(nginx.RoleStarting)) == 0
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
