package supervisor_test

import (
	"os"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// names waits until the pid file names a master again.
func names(t *testing.T, n *nginxtest.Nginx, pid int) {
	t.Helper()
	root, err := nginx.HostRoot()
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	nginxtest.Eventually(t, "the pid file is written anew", func() bool {
		got, err := nginx.ReadPIDFile(root, n.PIDPath())
		return err == nil && got == pid
	})
}

// In mid-cycle both masters are known, so a pid file that somebody deletes is written
// anew, also one that `nginx -t` made then. Without it nginx could not be reloaded,
// systemd would lose its main process, and the next USR2 would wedge the master.
func TestPIDFileVanishes(t *testing.T) {
	t.Parallel()
	for name, vanish := range map[string]func(path string) error{
		"deleted": os.Remove,
		"empty":   func(path string) error { return os.Truncate(path, 0) },
	} {
		for _, phase := range []supervisor.Phase{supervisor.Soaking, supervisor.Draining} {
			t.Run(name+" while "+string(phase), func(t *testing.T) {
				t.Parallel()
				n, r, answer := inPhase(t, phase, nil)
				stop := lightTraffic(t, n)
				successor := n.PID(t)
				if err := vanish(n.PIDPath()); err != nil {
					t.Fatal(err)
				}
				names(t, n, successor)
				goBack(t, r, answer)
				stop()
				requireOldServes(t, n)
			})
		}
	}
}

// Old renames its pid file when the successor is gone, and finds none.
func TestPIDFileOfOldVanishes(t *testing.T) {
	t.Parallel()
	n, r, answer := inPhase(t, supervisor.Soaking, nil)
	stop := lightTraffic(t, n)
	if err := os.Remove(n.PIDPath() + nginx.OldBin); err != nil {
		t.Fatal(err)
	}
	goBack(t, r, answer)
	stop()
	requireOldServes(t, n)
}
