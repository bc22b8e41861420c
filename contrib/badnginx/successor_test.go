package badnginx

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

func TestGoodSuccessor(t *testing.T) {
	t.Parallel()
	n := upgrade(t, Good)
	next := successor(t, n)
	nginxtest.Eventually(t, "the pid file names the successor", func() bool { return n.PID(t) == next.PID })
	nginxtest.Eventually(t, "its workers are initialised", func() bool { return len(tree(t, next.PID).With(nginx.RoleWorker)) == 2 })
	servers := map[string]bool{}
	nginxtest.Eventually(t, "both answer", func() bool {
		status, server, err := get(n)
		if err != nil || status != 200 {
			t.Fatalf("answers %d by %s: %v", status, server, err)
		}
		servers[server] = true
		return len(servers) == 2
	})
}

func TestHangAtStart(t *testing.T) {
	t.Parallel()
	n := upgrade(t, HangAtStart)
	next := successor(t, n)
	signal(t, next.PID, unix.SIGQUIT) // it does not notice
	// Ten times what a good one needs.
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		title, err := nginx.ReadTitle(next.PID)
		if err != nil || title.Role != nginx.RoleStarting || nginxtest.Exists(n.PIDPath()) || !nginxtest.Exists(n.PIDPath()+nginx.OldBin) {
			t.Fatalf("successor is %v (%v), pid file: %v", title, err, nginxtest.Exists(n.PIDPath()))
		}
	}
	signal(t, next.PID, unix.SIGKILL)
	nginxtest.Eventually(t, "the pid file names the old master", func() bool { return n.PID(t) == n.Master })
}

func TestExitAtStart(t *testing.T) {
	t.Parallel()
	n := upgrade(t, ExitAtStart)
	waitForLog(t, n, "new binary process", "exited with code 1")
	nginxtest.Eventually(t, "the pid file names the old master", func() bool { return n.PID(t) == n.Master })
	if masters := n.Masters(t); !slices.Equal(masters, []int{n.Master}) {
		t.Errorf("masters %v, not %d alone", masters, n.Master)
	}
}

func TestExitMasterAfter(t *testing.T) {
	t.Parallel()
	const after = 8 * time.Second // in which its workers are seen
	began := time.Now()
	n := upgrade(t, ExitMasterAfter, after)
	next := successor(t, n)
	var workers []nginx.Child
	nginxtest.Eventually(t, "its workers are initialised", func() bool {
		workers = tree(t, next.PID).With(nginx.RoleWorker)
		return len(workers) == 2
	})
	waitForLog(t, n, "new binary process", "exited with code 1")
	if took := time.Since(began); took < after {
		t.Errorf("it ends after %v, not %v", took, after)
	}
	nginxtest.Eventually(t, "the pid file names the old master", func() bool { return n.PID(t) == n.Master })
	for _, w := range workers {
		if p, err := nginx.OpenID(w.ID); err != nil {
			t.Errorf("its worker went with it: %v", err)
		} else {
			p.Close()
		}
	}
}

func TestSlowStart(t *testing.T) {
	t.Parallel()
	const after = time.Second
	began := time.Now()
	n := upgrade(t, SlowStart, after)
	next := successor(t, n)
	nginxtest.Eventually(t, "the pid file names the successor", func() bool {
		return nginxtest.Exists(n.PIDPath()) && n.PID(t) == next.PID
	})
	if took := time.Since(began); took < after {
		t.Errorf("it is up after %v, not %v", took, after)
	}
	nginxtest.Eventually(t, "its workers are initialised", func() bool { return len(tree(t, next.PID).With(nginx.RoleWorker)) == 2 })
}

// upgrade starts the distribution's nginx and sends it USR2 once a bad build
// is in place.
func upgrade(t *testing.T, kind Kind, after ...time.Duration) *nginxtest.Nginx {
	t.Helper()
	n := nginxtest.Start(t, traffic.Site{})
	nginxtest.Install(t, n.Binary, Make(t, n.Dir, kind, '9', after...))
	signal(t, n.Master, unix.SIGUSR2)
	return n
}

// successor is what the old master has executed.
func successor(t *testing.T, n *nginxtest.Nginx) nginx.Child {
	t.Helper()
	var found []nginx.Child
	nginxtest.Eventually(t, "there is a successor", func() bool {
		found = tree(t, n.Master).Successors()
		return len(found) == 1
	})
	return found[0]
}
