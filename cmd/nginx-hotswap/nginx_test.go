package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/freeport"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// distribution returns the distribution's nginx. Without one the test is
// skipped, or fails in CI, where everything must be there.
func distribution(tb testing.TB) string {
	tb.Helper()
	const path = "/usr/sbin/nginx"
	if _, err := os.Stat(path); err == nil {
		return path
	}
	const why = "nginx is not installed (apt-get install nginx)"
	if os.Getenv("CI") != "" {
		tb.Fatal(why)
	}
	tb.Skip(why)
	return ""
}

// server is an nginx of a story: a copy of the distribution's, in a directory of
// its own, and another build of it.
type server struct {
	traffic.Site
	tb                    testing.TB
	binary, version       string
	newer, versionOfNewer string
}

func newServer(tb testing.TB) (*server, error) {
	s := &server{Site: traffic.Site{Dir: tb.TempDir(), Workers: 2}, tb: tb}
	// The workers of a root's master are somebody else.
	for dir := s.Dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			return nil, err
		}
	}
	s.Listen = freeport.Address(tb)
	if err := s.Write(); err != nil {
		return nil, err
	}
	tb.Cleanup(func() { s.kill(tb) })
	return s, s.writeBuilds(tb)
}

func (s *server) writeBuilds(tb testing.TB) error {
	source := distribution(tb)
	v, err := nginx.ReadVersion(tb.Context(), source)
	if err != nil {
		return err
	}
	build, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	s.version, s.versionOfNewer = v.Number, v.Number[:len(v.Number)-1]+"9"
	newer, err := box.PatchVersion(build, s.version, s.versionOfNewer)
	if err != nil {
		return err
	}
	s.binary, s.newer = filepath.Join(s.Dir, "sbin", "nginx"), filepath.Join(s.Dir, "nginx-newer")
	if err := os.Mkdir(filepath.Dir(s.binary), 0o755); err != nil {
		return err
	}
	if err := nginxtest.WriteProgram(tb.Context(), s.binary, build); err != nil {
		return err
	}
	return nginxtest.WriteProgram(tb.Context(), s.newer, newer)
}

// start runs the server. Its listeners are open when the command returns.
func (s *server) start() error {
	return nginxtest.Execute(context.Background(), s.binary, s.Args()...)
}

// kill ends all that runs from the server's directory. It repeats: a master that
// is about to be killed may just have forked.
func (s *server) kill(tb testing.TB) {
	deadline := time.Now().Add(10 * time.Second)
	for left := s.processes(); len(left) > 0; left = s.processes() {
		if time.Now().After(deadline) {
			tb.Errorf("processes of %s are left: %v", s.Dir, left)
			return
		}
		for _, pid := range left {
			if p, err := nginx.Open(pid); err == nil {
				_ = p.Signal(unix.SIGKILL) // it may be gone
				p.Close()
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (s *server) processes() (pids []int) {
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		return nil
	}
	for _, link := range links {
		exe, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(exe, s.Dir+"/") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
