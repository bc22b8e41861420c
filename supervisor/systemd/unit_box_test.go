//go:build box

package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const nginxUnit = "nginx.service"

func mainPID(t *testing.T) int {
	t.Helper()
	s, err := NewUnit(nginxUnit).State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.MainPID == 0 {
		t.Fatalf("nginx does not run: %+v", s)
	}
	return s.MainPID
}

func TestInBoxState(t *testing.T) {
	inBox(t)
	if !Booted() {
		t.Error("not booted")
	}
	s, err := NewUnit(nginxUnit).State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(sh(t, "cat /run/nginx.pid"))
	got := []string{s.Name, s.LoadState, s.ActiveState, s.Type, s.PIDFile, s.NotifyAccess}
	want := []string{nginxUnit, "loaded", "active", "forking", "/run/nginx.pid", "none"}
	if !slices.Equal(got, want) || s.MainPID != pid {
		t.Errorf("%+v", s)
	}
	if len(s.ExecStart) != 3 || s.ExecStart[0] != "/usr/sbin/nginx" {
		t.Errorf("command %q", s.ExecStart)
	}
	if s.MemoryMax != 1<<64-1 || s.JobID != 0 {
		t.Errorf("%+v", s)
	}
}

func TestInBoxInOrder(t *testing.T) {
	inBox(t)
	const unit = "test-order.service"
	defer sh(t, "systemctl stop "+unit+"; systemctl reset-failed "+unit+" || true")
	start := func(restart string) string {
		return "systemd-run -q --unit=" + unit + " -p Restart=" + restart + " -p RestartSec=100ms -p RemainAfterExit=no sleep infinity"
	}
	for _, step := range []struct {
		do, state string
		restarts  uint32
		want      bool
	}{
		{start("no"), "active", 0, true},
		{"systemctl restart " + unit, "active", 0, true},
		{"systemctl kill -s KILL " + unit, "failed", 0, false},
		{"systemctl reset-failed " + unit + "; " + start("on-failure"), "active", 0, true},
		{"systemctl kill -s KILL " + unit, "active", 1, false},
		{"systemctl restart " + unit, "active", 0, true},
	} {
		sh(t, step.do)
		eventually(t, func() string {
			s, err := NewUnit(unit).State(t.Context())
			if err != nil || s.ActiveState != step.state || s.NRestarts != step.restarts || s.InOrder() != step.want {
				return fmt.Sprintf("after %s: in order %t, %+v, %v", step.do, s.InOrder(), s, err)
			}
			return ""
		})
	}
}

func TestInBoxNotFound(t *testing.T) {
	inBox(t)
	s, err := NewUnit("absent@x-y.service").State(t.Context())
	if err != nil || s.LoadState != "not-found" || s.MainPID != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := NewUnit("no unit name").State(t.Context()); err == nil {
		t.Errorf("%+v", s)
	}
}

func TestInBoxJob(t *testing.T) {
	inBox(t)
	const seen = "/run/test-seen" // ends the reload
	dropIn(t, nginxUnit, "[Service]\nExecReload=\nExecReload=/bin/sh -c 'until test -e "+seen+"; do sleep 0.1; done'\n")
	defer sh(t, "rm -f "+seen)
	sh(t, "systemctl reload --no-block nginx")
	eventually(t, func() string { // the job is there at once, and begins a moment later
		s, err := NewUnit(nginxUnit).State(t.Context())
		if err != nil || s.JobType != "reload" || s.JobID == 0 || s.ActiveState != "reloading" {
			return fmt.Sprintf("%+v, %v", s, err)
		}
		return ""
	})
	sh(t, ": >"+seen)
	eventually(t, func() string {
		if s, err := NewUnit(nginxUnit).State(t.Context()); err != nil || s.JobID != 0 {
			return "the job does not end"
		}
		return ""
	})
}

func TestInBoxManager(t *testing.T) {
	inBox(t)
	m, err := Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	units, err := m.Units(t.Context(), []string{"n*inx.service", "absent.service"})
	if err != nil || !slices.Equal(units, []string{nginxUnit}) {
		t.Errorf("%q, %v", units, err)
	}
	if unit, err := m.UnitOf(t.Context(), mainPID(t)); err != nil || unit != nginxUnit {
		t.Errorf("%q, %v", unit, err)
	}
	if unit, err := m.UnitOf(t.Context(), os.Getpid()); !errors.Is(err, ErrNoUnit) {
		t.Errorf("%q, %v", unit, err)
	}
	if unit, err := m.UnitOf(t.Context(), 1<<22-1); !errors.Is(err, ErrNoProcess) && !errors.Is(err, ErrNoUnit) {
		t.Errorf("%q, %v", unit, err)
	}
	if err := m.Reload(t.Context()); err != nil {
		t.Error(err)
	}
}

// The same over the system bus, as one who is not root would.
func TestInBoxSystemBus(t *testing.T) {
	inBox(t)
	m, err := dialBus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if s, err := m.state(t.Context(), nginxUnit); err != nil || s.LoadState != "loaded" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestInBoxDialEnds(t *testing.T) {
	inBox(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if m, err := Dial(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", m, err)
	}
}

// A message on behalf of nginx's master shows in systemctl status.
func TestInBoxNotifyAs(t *testing.T) {
	inBox(t)
	dropIn(t, nginxUnit, "[Service]\nNotifyAccess=main\n")
	pid := mainPID(t)
	if err := NotifyAs(pid, "STATUS=1.22.1 since noon\nfake"); err != nil {
		t.Fatal(err)
	}
	// The barrier makes it visible at once.
	if got := sh(t, "systemctl show -p StatusText --value nginx"); got != "1.22.1 since noon fake" {
		t.Errorf("the status is %q", got)
	}
	if s, err := NewUnit(nginxUnit).State(t.Context()); err != nil || s.NotifyAccess != "main" {
		t.Errorf("%+v, %v", s, err)
	}
	if out := sh(t, "systemctl status nginx"); !strings.Contains(out, "1.22.1 since noon") {
		t.Errorf("systemctl status:\n%s", out)
	}
	if err := NotifyAs(pid, "STATUS="); err != nil {
		t.Error(err)
	}
	if err := NotifyAs(1<<22-1, "STATUS=x"); !errors.Is(err, ErrNoProcess) {
		t.Errorf("%v", err)
	}
}

// A hot upgrade by hand: systemd re-reads the PID file and says nothing.
func TestInBoxWaitMainPID(t *testing.T) {
	inBox(t)
	old := mainPID(t)
	u := NewUnit(nginxUnit)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := u.WaitMainPID(ctx, old+1); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), strconv.Itoa(old)) {
		t.Errorf("%v", err)
	}
	if err := unix.Kill(old, unix.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	successor := 0
	eventually(t, func() string {
		pid, err := os.ReadFile("/run/nginx.pid")
		if successor, _ = strconv.Atoi(strings.TrimSpace(string(pid))); err != nil || successor == old || successor == 0 {
			return "no successor"
		}
		return ""
	})
	if err := unix.Kill(old, unix.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := u.WaitMainPID(ctx, successor); err != nil {
		t.Error(err)
	}
}

// PID 1 must answer the first call of every connection, see nudge.
func TestInBoxDialOften(t *testing.T) {
	inBox(t)
	for range 200 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, err := NewUnit(nginxUnit).State(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Questions share a connection, a new PID 1 costs a new one, and an idle process
// has none.
func TestInBoxSharedConnection(t *testing.T) {
	inBox(t)
	u := NewUnit(nginxUnit)
	asked := func() *Manager {
		t.Helper()
		if s, err := u.State(t.Context()); err != nil || s.MainPID == 0 {
			t.Fatalf("%+v, %v", s, err)
		}
		shared.mu.Lock()
		defer shared.mu.Unlock()
		return shared.m
	}
	var first *Manager
	eventually(t, func() string { // unless more than sharedIdle lies between them
		if first = asked(); first != nil && asked() == first {
			return ""
		}
		return "two questions never go over one connection"
	})
	sh(t, "systemctl daemon-reexec")
	if again := asked(); again == nil || again == first {
		t.Errorf("a question to the new PID 1 goes over %p", again)
	}
	eventually(t, func() string {
		shared.mu.Lock()
		defer shared.mu.Unlock()
		if shared.m != nil {
			return "the connection is kept although nobody asks"
		}
		return ""
	})
}
