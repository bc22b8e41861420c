package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

// crashVariable makes the test binary a supervisor that kills itself.
const crashVariable = "NGINX_HOTSWAP_TEST_CRASH"

// crashPlan says what that supervisor looks after and where it dies.
type crashPlan struct {
	PIDFile string
	Store   Store
	Phase   Phase
	Point   string
}

func init() {
	if plan := os.Getenv(crashVariable); plan != "" {
		crash(plan)
	}
}

// crash runs an upgrade, or an upgrade that is taken back if the phase belongs
// to the way back, until the failpoint.
func crash(text string) {
	var plan crashPlan
	if err := json.Unmarshal([]byte(text), &plan); err != nil {
		panic(err)
	}
	failpoint = func(phase Phase, point string) {
		if phase == plan.Phase && point == plan.Point {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s := plan.supervisor(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if plan.Phase.IsWayBack() {
		s.instance.Upgrade.SoakSec = time.Minute // time to ask for it
	}
	go func() { _ = s.Run(ctx) }()
	upgraded := make(chan Outcome, 1)
	go func() {
		out, _ := s.Upgrade(ctx, Request{Origin: OriginCLI, Wait: WaitDone})
		upgraded <- out
	}()
	if plan.Phase.IsWayBack() {
		for s.snapshot().phase != Soaking && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		_, _ = s.Do(ctx, Request{Action: ActionRollback, Origin: OriginCLI, Wait: WaitDone})
	}
	<-upgraded
	os.Exit(3) // the failpoint was never reached
}

func (p crashPlan) supervisor(log *slog.Logger) *Supervisor {
	c := Defaults()
	c.Upgrade.SoakSec = 300 * time.Millisecond
	c.Upgrade.KeepOldSec = 0
	c.Upgrade.StartTimeoutSec = time.Minute
	c.Upgrade.DismissTimeoutSec = 20 * time.Second
	return New(InstanceConfig{Name: "test", PIDFile: p.PIDFile, Upgrade: c.Upgrade},
		Options{Config: c, Store: p.Store, Log: log, PackageLocks: []PackageLock{}})
}

// unreachable are the points that a run without a unit cannot reach, because
// the condition is met when it is looked at first.
func unreachable(phase Phase, point string) bool {
	return phase == Returning && point == afterAct
}

// TestCrashTable kills the supervisor at every point of both tables. Another
// one must bring the cycle to the end that it would have had, and no request
// may fail.
func TestCrashTable(t *testing.T) {
	nginxtest.Distribution(t)
	c := &cycle{cfg: Defaults().Upgrade}
	for _, row := range append(c.table(), c.wayBack()...) {
		for _, point := range []string{beforeAct, afterAct, afterCondition} {
			if unreachable(row.phase, point) {
				continue
			}
			t.Run(string(row.phase)+"/"+point, func(t *testing.T) {
				t.Parallel()
				crashAt(t, row.phase, point)
			})
		}
	}
}

func crashAt(t *testing.T, phase Phase, point string) {
	sock, err := os.MkdirTemp("", "sock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sock) })
	if err := os.Chmod(sock, 0o755); err != nil {
		t.Fatal(err)
	}
	n := nginxtest.Start(t, traffic.Site{Unix: filepath.Join(sock, "http")})
	dir := t.TempDir()
	plan := crashPlan{PIDFile: n.PIDPath(), Store: Store{filepath.Join(dir, "run"), filepath.Join(dir, "lib")}, Phase: phase, Point: point}
	// The first attach is over: what comes now is a new binary.
	if err := plan.Store.SaveAttachment("test", Attachment{}); err != nil {
		t.Fatal(err)
	}
	load, err := traffic.Start(traffic.Config{Targets: quiet(n.Targets())})
	if err != nil {
		t.Fatal(err)
	}
	newer, version := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, newer)
	plan.die(t)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := plan.supervisor(slog.New(slog.NewTextHandler(&tail{t: t}, nil)))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var last *Record
	want, runs := Upgraded, version
	if phase.IsWayBack() {
		want, runs = RolledBack, n.Version
	}
	nginxtest.Eventually(t, "the cycle ends", func() bool {
		last = plan.Store.Last("test")
		st := s.Status()
		return last != nil && st.Phase == Idle && st.Running.Version == runs && len(st.Masters) == 1 && len(st.Masters[0].Workers) == 2
	})
	if last.Result != want {
		t.Errorf("result %s (%s), want %s", last.Result, last.Reason, want)
	}
	report := load.Stop()
	if err := report.Verdict(); err != nil {
		t.Errorf("%v: %+v", err, report.Failures)
	}
	masters := n.Masters(t)
	if len(masters) != 1 || masters[0] != n.PID(t) {
		t.Errorf("masters %v, pid file %d", masters, n.PID(t))
	}
	if nginxtest.Exists(n.PIDPath()+".oldbin") || nginxtest.Exists(n.Unix+".nginx-hotswap") {
		t.Error("something is left behind")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// die runs the plan in a process of its own, which must be killed by it.
func (p crashPlan) die(t *testing.T) {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), crashVariable+"="+string(text))
	out, err := cmd.CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the supervisor did not die at %s %s: %v\n%s", p.Phase, p.Point, err, out)
	}
}

// quiet is little traffic: many tests run at the same time.
func quiet(targets []traffic.Target) []traffic.Target {
	for i := range targets {
		targets[i].Clients = 1
		targets[i].Interval = 5 * time.Millisecond
	}
	return targets
}

// tail logs to the test.
type tail struct{ t *testing.T }

func (w *tail) Write(p []byte) (int, error) {
	if w.t.Context().Err() == nil {
		w.t.Log(strings.TrimSpace(string(p)))
	}
	return len(p), nil
}
