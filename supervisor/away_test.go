package supervisor

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// What the old master leaves behind that goes while nobody looks is dealt with
// when somebody looks again, and what serves instead is left alone, also where the
// record does not know it yet.
func TestOldGoesWhileAway(t *testing.T) {
	nginxtest.Distribution(t)
	for name, tt := range map[string]struct {
		phase  Phase
		point  string
		signal syscall.Signal
	}{
		"told to go, successor unknown": {Starting, afterAct, syscall.SIGQUIT},
		"killed, successor unknown":     {Starting, afterAct, syscall.SIGKILL},
		"killed before WINCH":           {Shifting, beforeAct, syscall.SIGKILL},
		"killed":                        {Soaking, beforeAct, syscall.SIGKILL},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sock, dir := shortDir(t), t.TempDir()
			n := nginxtest.Start(t, traffic.Site{Unix: filepath.Join(sock, "http")})
			plan := crashPlan{PIDFile: n.PIDPath(), Store: Store{filepath.Join(dir, "run"), filepath.Join(dir, "lib")}, Phase: tt.phase, Point: tt.point}
			if err := plan.Store.SaveAttachment("test", Attachment{}); err != nil {
				t.Fatal(err)
			}
			newer, version := n.Newer(t, '9')
			nginxtest.Install(t, n.Binary, newer)
			plan.die(t)
			endsWhileAway(t, n, tt.signal)

			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			s := plan.supervisor(slog.New(slog.NewTextHandler(&tail{t: t}, nil)))
			go func() { done <- s.Run(ctx) }()
			nginxtest.Eventually(t, "the successor is looked after", func() bool {
				return plan.Store.Last("test") != nil && s.Status().Running.Version == version
			})
			servesAlone(t, n, version, func(master int) bool { return master != n.Master })
			nginxtest.Eventually(t, "nothing is left behind", func() bool { return len(leftovers(n, sock)) == 0 })
			conn, err := net.Dial("unix", n.Unix)
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// endsWhileAway ends the old master as soon as its successor serves.
func endsWhileAway(t *testing.T, n *nginxtest.Nginx, signal syscall.Signal) {
	t.Helper()
	nginxtest.Eventually(t, "the successor serves", func() bool {
		pid, err := nginx.ReadPIDFile(hostRoot(t), n.PIDPath())
		if err != nil || pid == n.Master {
			return false
		}
		p, err := nginx.Open(pid)
		if err != nil {
			return false
		}
		defer p.Close()
		return nginxtest.Serves(p.ID)
	})
	old, err := nginx.Open(n.Master)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := old.Signal(signal); err != nil {
		t.Fatal(err)
	}
	<-old.Exited()
}

func hostRoot(t *testing.T) *nginx.Root {
	t.Helper()
	root, err := nginx.HostRoot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}
