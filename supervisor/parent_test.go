package supervisor_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// adopted starts an nginx that becomes a child of this process, as it would of a
// container's shim or the systemd of a user.
func adopted(t *testing.T, n *nginxtest.Nginx) {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	n.Run(t)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	if parent, err := nginx.ReadParent(n.Master); err != nil || parent != os.Getpid() {
		t.Fatalf("the parent of master %d is %d, %v", n.Master, parent, err)
	}
	reap(t, n.Master)
}

// reap collects a master that only we can collect, once it has ended.
func reap(t *testing.T, master int) {
	t.Helper()
	ended := make(chan error, 1)
	go func() {
		_, err := unix.Wait4(master, nil, 0, nil)
		for err == unix.EINTR {
			_, err = unix.Wait4(master, nil, 0, nil)
		}
		ended <- err
	}()
	t.Cleanup(func() {
		if p, err := nginx.Open(master); err == nil {
			_ = p.Signal(unix.SIGKILL) // unless it has ended
			p.Close()
		}
		if err := <-ended; err != nil {
			t.Errorf("master %d: %v", master, err)
		}
	})
}

// TestAdoptedMasters: 1.13.7 ignores USR2 where its parent is not init, 1.13.8
// does not. The versions are patched in: what is tested is that the one is asked
// and the other not. Not in parallel: the whole process is a subreaper meanwhile.
func TestAdoptedMasters(t *testing.T) {
	for last, code := range map[int]int{7: supervisor.ExitNotSwappable, 8: supervisor.ExitOK} {
		t.Run(fmt.Sprintf("1.13.%d", last), func(t *testing.T) {
			n := nginxtest.Prepare(t, traffic.Site{})
			newest, err := os.ReadFile(n.Binary)
			if err != nil {
				t.Fatal(err)
			}
			version := fmt.Sprintf("1.13.%0*d", len(n.Version)-len("1.13."), last)
			old, err := box.PatchVersion(newest, n.Version, version)
			if err != nil {
				t.Fatal(err)
			}
			nginxtest.Install(t, n.Binary, old)
			adopted(t, n)
			stop := lightTraffic(t, n)
			s := newSupervisor(t, n, quick())
			nginxtest.Install(t, n.Binary, newest)
			out := s.Once(t.Context(), request(supervisor.WaitDone))
			stop()
			if out.Code != code {
				t.Errorf("got %+v, want status %d", out, code)
			}
			if code == supervisor.ExitOK {
				return
			}
			for _, words := range []string{fmt.Sprintf("child of process %d", os.Getpid()), "ignores USR2", "restart nginx once"} {
				if !strings.Contains(out.Text, words) {
					t.Errorf("it says %q, which lacks %q", out.Text, words)
				}
			}
			if masters := n.Masters(t); len(masters) != 1 || masters[0] != n.Master {
				t.Errorf("masters %v, before %d", masters, n.Master)
			}
		})
	}
}
