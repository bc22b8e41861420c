package badnginx

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// Nothing that looks at a build without letting it serve finds fault with it.
func TestAccepted(t *testing.T) {
	t.Parallel()
	n := nginxtest.Prepare(t, traffic.Site{})
	version := n.Version[:len(n.Version)-1] + "9"
	for _, kind := range Kinds {
		nginxtest.Install(t, n.Binary, Make(t, n.Dir, kind, '9'))
		got, err := nginx.ReadVersion(t.Context(), n.Binary)
		if err != nil || got.Number != version {
			t.Errorf("%s: -V says %s, not %s: %v", kind, got.Number, version, err)
		}
		out, err := exec.CommandContext(t.Context(), n.Binary, append(n.Args(), "-t")...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "test is successful") {
			t.Errorf("%s: -t: %v\n%s", kind, err, out)
		}
		libraries, err := exec.CommandContext(t.Context(), "ldd", n.Binary).CombinedOutput()
		if err != nil || !strings.Contains(string(libraries), n.Dir+"/"+libraryName(kind, '9')) {
			t.Errorf("%s: its library is not loaded: %v\n%s", kind, err, libraries)
		}
	}
}

// Only USR2 makes these go wrong.
func TestServesByHand(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{Good, HangAtStart, ExitAtStart, ExitMasterAfter, SlowStart} {
		// An hour: would it begin to wait, it would not end.
		n := start(t, kind, time.Hour)
		if status, server, err := get(n); err != nil || status != 200 || server != "nginx/"+newer(n) {
			t.Errorf("%s answers %d by %s: %v", kind, status, server, err)
		}
	}
}

func TestCrashAtStart(t *testing.T) {
	t.Parallel()
	n := start(t, CrashAtStart)
	nginxtest.Eventually(t, "workers crash again and again", func() bool { return strings.Count(errorLog(t, n), aborted) >= 5 })
	if workers := tree(t, n.Master).With(nginx.RoleWorker); len(workers) > 0 {
		t.Errorf("workers that were initialised: %v", workers)
	}
}

func TestCrashAtFirstRequest(t *testing.T) {
	t.Parallel()
	n := start(t, CrashAtFirstRequest) // which makes a connection
	nginxtest.Eventually(t, "the first worker crashes", func() bool { return strings.Count(errorLog(t, n), aborted) == 1 })
	nginxtest.Eventually(t, "two workers wait", func() bool { return len(tree(t, n.Master).With(nginx.RoleWorker)) == 2 })
	if status, server, err := get(n); err == nil {
		t.Errorf("answers %d by %s", status, server)
	}
	nginxtest.Eventually(t, "the next worker crashes", func() bool { return strings.Count(errorLog(t, n), aborted) == 2 })
}

func TestExecAtFirstRequest(t *testing.T) {
	t.Parallel()
	n := start(t, ExecAtFirstRequest) // which makes a connection
	nginxtest.Eventually(t, "a worker is something else", func() bool {
		for _, child := range tree(t, n.Master).Children {
			if exe, err := os.Readlink(nginx.ExePath(child.PID)); err == nil && filepath.Base(exe) != "nginx" {
				return true
			}
		}
		return false
	})
}

func TestHelper(t *testing.T) {
	t.Parallel()
	n := start(t, Helper)
	nginxtest.Eventually(t, "the master has executed one", func() bool { return len(tree(t, n.Master).Successors()) == 1 })
	if status, _, err := get(n); err != nil || status != 200 {
		t.Errorf("it answers %d: %v", status, err)
	}
}

func TestCrashAfter(t *testing.T) {
	t.Parallel()
	const after = 5 * time.Second // in which it answers
	began := time.Now()
	n := start(t, CrashAfter, after)
	if status, _, err := get(n); err != nil || status != 200 {
		t.Errorf("at first it answers %d: %v", status, err)
	}
	nginxtest.Eventually(t, "both workers crash", func() bool { return strings.Count(errorLog(t, n), aborted) >= 2 })
	if took := time.Since(began); took < after {
		t.Errorf("it crashes after %v, not %v", took, after)
	}
	nginxtest.Eventually(t, "others take their place", func() bool {
		status, _, err := get(n)
		return err == nil && status == 200
	})
}

func TestAnswer500(t *testing.T) {
	t.Parallel()
	n := start(t, Answer500)
	for range 10 {
		if status, server, err := get(n); err != nil || status != 500 || server != "nginx/"+newer(n) {
			t.Errorf("it answers %d by %s: %v", status, server, err)
		}
	}
	if strings.Contains(errorLog(t, n), aborted) {
		t.Error("it crashes")
	}
}

func TestSilent(t *testing.T) {
	t.Parallel()
	n := start(t, Silent)
	if status, _, err := getWithin(n, time.Second); err == nil || !strings.Contains(err.Error(), "Client.Timeout") {
		t.Errorf("it answers %d: %v", status, err)
	}
	if strings.Contains(errorLog(t, n), aborted) {
		t.Error("it crashes")
	}
}

// A machine may have another libc than the host.
func TestInBox(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	const path = "/usr/sbin/nginx"
	b.Run(t, "systemctl start nginx")
	InBox(t, b, path, CrashAtFirstRequest, '9')
	if got := b.Run(t, path+" -v 2>&1; nginx -t 2>&1"); !strings.Contains(got, "9\n") || !strings.Contains(got, "test is successful") {
		t.Errorf("got %s", got)
	}
	b.Run(t, "systemctl restart nginx; ! curl -s http://127.0.0.1/")
	b.Run(t, "timeout 10 sh -c 'until grep -q \"exited on signal 6\" /var/log/nginx/error.log; do sleep 0.05; done'")
}
