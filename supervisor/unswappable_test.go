package supervisor_test

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// startLike starts an nginx in an unusual way and waits until it serves.
func startLike(t *testing.T, site traffic.Site, how func(*exec.Cmd)) *nginxtest.Nginx {
	t.Helper()
	n := nginxtest.Prepare(t, site)
	cmd := exec.Command(n.Binary, n.Args()...)
	cmd.Dir = "/"
	how(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	nginxtest.Eventually(t, "the master runs", func() bool {
		data, err := os.ReadFile(n.PIDPath())
		if err != nil || len(data) == 0 {
			return false
		}
		n.Master = n.PID(t)
		return nginx.IsMaster(n.Master)
	})
	t.Cleanup(func() {
		signal(t, n.Master, unix.SIGKILL)
		gone(t, n.Master)
		<-ended
	})
	return n
}

// TestUnswappableMasters tries to upgrade masters that would ignore USR2, or
// could not carry it out. Nothing may be sent to them.
func TestUnswappableMasters(t *testing.T) {
	for name, tt := range map[string]struct {
		site  traffic.Site
		start func(*exec.Cmd)
		says  []string
	}{
		"daemon off": {traffic.Site{Extra: "daemon off;"},
			func(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} },
			[]string{"daemon off", "ignores USR2", "start it without"}},
		"bare name": {traffic.Site{},
			func(cmd *exec.Cmd) { cmd.Args[0] = "nginx" },
			[]string{`was started as "nginx"`, "does not search PATH", "absolute path"}},
	} {
		t.Run(name, func(t *testing.T) {
			n := startLike(t, tt.site, tt.start)
			stop := lightTraffic(t, n)
			before := processes(t, n.Master)
			store := newStore(t)
			s := supervisor.New(instanceOf(n, quick()), options(t, store, quick()))
			good, err := os.ReadFile(n.Binary)
			if err != nil {
				t.Fatal(err)
			}
			nginxtest.Install(t, n.Binary, newer(t, n))
			for range 2 {
				out := s.Once(t.Context(), request(supervisor.WaitDone))
				if out.Code != supervisor.ExitNotSwappable {
					t.Errorf("got %+v", out)
				}
				for _, words := range tt.says {
					if !strings.Contains(out.Text, words) {
						t.Errorf("it says %q, which lacks %q", out.Text, words)
					}
				}
			}
			if got := history(t, store); len(got) != 1 {
				t.Errorf("%d records: %+v", len(got), got)
			}
			nginxtest.Install(t, n.Binary, good)
			if out := s.Once(t.Context(), request(supervisor.WaitDone)); out.Code != supervisor.ExitOK {
				t.Errorf("with the good binary back: %+v", out)
			}
			if diff := cmp.Diff(before, processes(t, n.Master)); diff != "" {
				t.Errorf("the processes are not the same: %s", diff)
			}
			stop()
		})
	}
}

// A unit that runs nginx in the foreground is told with what it could be swapped.
func TestDaemonOffOfAUnit(t *testing.T) {
	n := startLike(t, traffic.Site{Extra: "daemon off;"}, func(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} })
	unit := newFakeUnit("nginx.service", "", n.Master)
	s, _ := unitSupervisor(t, unit)
	nginxtest.Install(t, n.Binary, newer(t, n))
	out := s.Once(t.Context(), request(supervisor.WaitDone))
	want := fmt.Sprintf("[Service]\nType=forking\nPIDFile=%s\nExecStart=\nExecStart=%s", n.PIDPath(), n.Binary)
	if out.Code != supervisor.ExitNotSwappable || !strings.Contains(out.Text, "systemctl edit nginx.service") || !strings.Contains(out.Text, want) {
		t.Errorf("got %+v, which lacks %q", out, want)
	}
}

// MemoryMax= that cannot hold two generations is a reason not to begin, and the
// remedy names one that can.
func TestMemoryMaxOfAUnit(t *testing.T) {
	n := start(t, traffic.Site{})
	stop := lightTraffic(t, n)
	before := processes(t, n.Master)
	unit := newFakeUnit("nginx.service", n.PIDPath(), n.Master)
	unit.change(func(s *systemd.State) { s.MemoryMax = 1 << 20 })
	s, _ := unitSupervisor(t, unit)
	nginxtest.Install(t, n.Binary, newer(t, n))
	out := s.Once(t.Context(), request(supervisor.WaitDone))
	if out.Code != supervisor.ExitRejected || !strings.Contains(out.Text, "MemoryMax= of nginx.service is 1M") ||
		!strings.Contains(out.Text, "systemctl set-property nginx.service MemoryMax=") {
		t.Errorf("got %+v", out)
	}
	if diff := cmp.Diff(before, processes(t, n.Master)); diff != "" {
		t.Errorf("the processes are not the same: %s", diff)
	}
	unit.change(func(s *systemd.State) { s.MemoryMax = math.MaxUint64 })
	if out := s.Once(t.Context(), request(supervisor.WaitDone)); out.Result != supervisor.Upgraded {
		t.Errorf("without a limit: %+v", out)
	}
	stop()
}

// foreignUpgrade sends USR2 as a person would and waits for the second master.
func foreignUpgrade(t *testing.T, n *nginxtest.Nginx) (successor int) {
	t.Helper()
	nginxtest.Install(t, n.Binary, newer(t, n))
	signal(t, n.Master, unix.SIGUSR2)
	nginxtest.Eventually(t, "a second master runs", func() bool {
		data, err := os.ReadFile(n.PIDPath())
		if err != nil || len(data) == 0 {
			return false
		}
		successor = n.PID(t)
		return successor != n.Master && nginx.IsMaster(successor)
	})
	processes(t, successor)
	return successor
}

func TestForeignUpgradeOfAUnit(t *testing.T) {
	n := start(t, traffic.Site{})
	stop := lightTraffic(t, n)
	successor := foreignUpgrade(t, n)
	old, young := processes(t, n.Master), processes(t, successor)
	s, store := unitSupervisor(t, newFakeUnit("nginx.service", n.PIDPath(), n.Master))
	out := s.Once(t.Context(), request(supervisor.WaitDone))
	if out.Code != supervisor.ExitDeferred || !strings.Contains(out.Text, fmt.Sprintf("its successor %d runs already", successor)) ||
		!strings.Contains(out.Text, fmt.Sprintf("kill -QUIT %d", n.Master)) {
		t.Errorf("got %+v", out)
	}
	if got := history(t, store); len(got) != 0 {
		t.Errorf("records: %+v", got)
	}
	if diff := cmp.Diff([]nginx.Tree{old, young}, []nginx.Tree{processes(t, n.Master), processes(t, successor)}); diff != "" {
		t.Errorf("the processes are not the same: %s", diff)
	}
	stop()
}

// TestForeignUpgradeByPIDFile is attached to the successor, which ignores USR2
// as long as its predecessor is there.
func TestForeignUpgradeByPIDFile(t *testing.T) {
	n := start(t, traffic.Site{})
	stop := lightTraffic(t, n)
	successor := foreignUpgrade(t, n)
	old, young := processes(t, n.Master), processes(t, successor)
	store := newStore(t)
	s := supervisor.New(instanceOf(n, quick()), options(t, store, quick()))
	if out := s.Once(t.Context(), request(supervisor.WaitDone)); out.Code != supervisor.ExitOK {
		t.Errorf("what is on disk runs, got %+v", out)
	}
	data, version := n.Newer(t, '8')
	nginxtest.Install(t, n.Binary, data)
	out := s.Once(t.Context(), request(supervisor.WaitDone))
	if out.Code != supervisor.ExitNotSwappable || !strings.Contains(out.Text, fmt.Sprintf("predecessor %d", n.Master)) ||
		!strings.Contains(out.Text, fmt.Sprintf("kill -QUIT %d", n.Master)) {
		t.Errorf("got %+v", out)
	}
	if diff := cmp.Diff([]nginx.Tree{old, young}, []nginx.Tree{processes(t, n.Master), processes(t, successor)}); diff != "" {
		t.Errorf("the processes are not the same: %s", diff)
	}
	// The remedy works.
	signal(t, n.Master, unix.SIGQUIT)
	gone(t, n.Master)
	out = s.Once(t.Context(), request(supervisor.WaitDone))
	if out.Code != supervisor.ExitOK || out.Result != supervisor.Upgraded || !strings.Contains(out.Text, version) {
		t.Errorf("after the remedy: %+v", out)
	}
	stop()
	if masters := n.Masters(t); len(masters) != 1 {
		t.Errorf("masters %v", masters)
	}
	if left, err := filepath.Glob(n.PIDPath() + ".*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestUpgradeAfterPredecessor has a new binary land while the upgrade before, of
// somebody else, still drains: it waits for that and goes on by itself, also when it
// was asked for in between and the answer was to wait.
func TestUpgradeAfterPredecessor(t *testing.T) {
	t.Parallel()
	for _, asked := range []bool{false, true} {
		t.Run(fmt.Sprintf("asked=%t", asked), func(t *testing.T) {
			t.Parallel()
			n := start(t, traffic.Site{})
			successor := foreignUpgrade(t, n)
			r := run(t, n, newStore(t), quick())
			r.waitFor(t, "it is attached", func(st supervisor.Status) bool { return st.MainPID == successor })
			data, version := n.Newer(t, '8')
			nginxtest.Install(t, n.Binary, data)
			if asked {
				if out := <-r.ask(t, request(supervisor.WaitDone)); out.Code != supervisor.ExitNotSwappable {
					t.Errorf("got %+v", out)
				}
			}
			r.Poke()
			r.waitFor(t, "it waits", func(st supervisor.Status) bool {
				return st.Pending && strings.Contains(st.Reason, fmt.Sprintf("predecessor %d", n.Master))
			})
			signal(t, n.Master, unix.SIGQUIT)
			r.waitFor(t, "it goes on by itself", func(st supervisor.Status) bool { return st.Running.Version == version && st.Phase == supervisor.Idle })
			r.upToDate(t)
			records := history(t, r.store)
			if last := records[len(records)-1]; last.Result != supervisor.Upgraded || last.Origin != supervisor.OriginWatch {
				t.Errorf("record: %+v", last)
			}
		})
	}
}
