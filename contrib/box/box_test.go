package box

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBoot(t *testing.T) {
	t.Parallel()
	b := Start(t, Options{})
	for name, test := range map[string]struct{ script, want string }{
		"PID 1":          {"cat /proc/1/comm", "systemd"},
		"not a host":     {"systemd-detect-virt", "systemd-nspawn"},
		"hierarchy":      {"stat -f -c %T /sys/fs/cgroup", "cgroup2fs"},
		"policy-rc.d":    {"ls /usr/sbin/policy-rc.d 2>/dev/null || echo none", "none"},
		"only loopback":  {"ls /sys/class/net", "lo"},
		"loopback is up": {"cat /sys/class/net/lo/flags", "0x9"},
		"net sysctl":     {"echo 1 >/proc/sys/net/ipv4/tcp_migrate_req && cat /proc/sys/net/ipv4/tcp_migrate_req", "1"},
		"a unit":         {"systemd-run -q --wait -p PrivateTmp=yes -p ProtectSystem=strict true && echo ran", "ran"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, b.Run(t, test.script)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if id := b.Run(t, "cat /etc/machine-id"); len(id) != 32 || id == hostFile(t, "/etc/machine-id") {
		t.Errorf("machine-id is %q", id)
	}
	if !isInit(b.Leader()) {
		t.Errorf("leader %d is no PID 1", b.Leader())
	}
}

func hostFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(content))
}

// Machines share neither names, files, ports nor control groups.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	requireBox(t)
	var boxes [2]*Box
	var wg sync.WaitGroup
	for i := range boxes {
		wg.Go(func() {
			var err error
			if boxes[i], err = Up(t.Context(), Options{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, b := range boxes {
		if b == nil {
			continue
		}
		t.Cleanup(func() { mustDown(t, b) })
		b.Run(t, fmt.Sprintf("echo %d >/etc/mark; systemd-run -q -u mark sleep infinity", i))
	}
	if t.Failed() {
		return
	}
	for i, b := range boxes {
		if got := b.Run(t, "cat /etc/mark; systemctl is-active mark"); got != fmt.Sprintf("%d\nactive", i) {
			t.Errorf("box %d: %s", i, got)
		}
	}
	mustDown(t, boxes[0])
	boxes[1].Run(t, "systemctl is-active mark")
	if _, err := os.Stat("/etc/mark"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a box wrote on the host: %v", err)
	}
}

func TestNameTaken(t *testing.T) {
	t.Parallel()
	b := Start(t, Options{})
	_, err := Up(t.Context(), Options{Name: b.Name()})
	if !errors.Is(err, errUp) {
		t.Errorf("a second box %s: %v", b.Name(), err)
	}
	b.Run(t, "true")
}

func TestDetach(t *testing.T) {
	t.Parallel()
	requireBox(t)
	up, err := Up(t.Context(), Options{Detach: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustDown(t, up) })
	b, err := Attach(up.Name())
	if err != nil {
		t.Fatal(err)
	}
	if b.Leader() != up.Leader() {
		t.Errorf("leader is %d, was %d", b.Leader(), up.Leader())
	}
	b.Run(t, "true")
	if _, err := os.Stat(consolePath(up.Name())); err != nil {
		t.Error(err)
	}
	mustDown(t, b)
	requireGone(t, up)
	if _, err := os.Stat(consolePath(up.Name())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("console is left: %v", err)
	}
	if _, err := Attach(up.Name()); err == nil {
		t.Error("attached to a box that is down")
	}
}

// A machine that has ended by itself is no error to Down, and nothing of it runs a
// command.
func TestPoweroff(t *testing.T) {
	t.Parallel()
	b := Start(t, Options{})
	b.Run(t, "systemctl --no-block poweroff")
	<-b.keeper.done
	if _, _, _, err := b.Try(t.Context(), "true"); err == nil || !strings.Contains(err.Error(), "not up") {
		t.Errorf("a command in a box that has ended: %v", err)
	}
	mustDown(t, b)
	mustDown(t, b)
	requireGone(t, b)
}

// A unit that does not stop does not keep the machine.
func TestDownKills(t *testing.T) {
	t.Parallel()
	b := Start(t, Options{})
	b.Run(t, "systemd-run -q -p KillSignal=SIGCONT -p SendSIGKILL=no -p TimeoutStopSec=1h sleep infinity")
	const limit = time.Second
	began := time.Now()
	if err := b.stop(limit); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < limit || took > limit+10*time.Second {
		t.Errorf("it took %v", took)
	}
	requireGone(t, b)
}

func TestNoBoot(t *testing.T) {
	t.Parallel()
	requireBox(t)
	t.Run("no system", func(t *testing.T) {
		o := Options{Base: t.TempDir(), Name: "no-system"}
		_, err := Up(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), "console ends with") {
			t.Errorf("Up says %v", err)
		}
		requireGone(t, groupOf(t, o.Name))
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err := Up(ctx, Options{Name: "cancelled"})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Up says %v", err)
		}
		requireGone(t, groupOf(t, "cancelled"))
	})
	t.Run("no directory", func(t *testing.T) {
		_, err := Up(t.Context(), Options{Base: "/nowhere", Name: "nowhere"})
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("Up says %v", err)
		}
		requireGone(t, groupOf(t, "nowhere"))
	})
}

func TestName(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"": true, "a": true, "box-1": true, "-a": false, "a-": false, "a/b": false, "..": false, "a.b": false,
		strings.Repeat("x", 50): true, strings.Repeat("x", 51): false,
	} {
		if err := (&Options{Name: name}).complete(); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func requireBox(t *testing.T) {
	t.Helper()
	if err := Check(); err != nil {
		unable(t, err)
	}
}

func mustDown(t *testing.T, b *Box) {
	t.Helper()
	if err := b.Down(); err != nil {
		t.Error(err)
	}
}

func groupOf(t *testing.T, name string) *Box {
	t.Helper()
	all, err := groups()
	if err != nil {
		t.Fatal(err)
	}
	return &Box{name: name, group: group(all.file(name))}
}
