package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/bus"
	"github.com/nginx-hotswap/nginx-hotswap/watch"
)

// openBus is a bus on which everybody may do everything.
const openBus = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
  </policy>
</busconfig>
`

// startOpenBus returns when the bus listens, with what kills it.
func startOpenBus(t *testing.T, socket string) func() {
	t.Helper()
	path, err := exec.LookPath("dbus-daemon")
	if err != nil {
		nginxtest.Unable(t, "dbus-daemon is not installed")
	}
	config := filepath.Join(t.TempDir(), "bus.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, openBus, socket), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), path, "--config-file="+config, "--nofork", "--nopidfile", "--nosyslog", "--print-address=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(kill)
	if n, err := out.Read(make([]byte, 1)); n == 0 {
		t.Fatalf("dbus-daemon does not start: %v", err)
	}
	return kill
}

// lineLog keeps what is logged.
type lineLog struct {
	mu  sync.Mutex
	all strings.Builder
}

func (l *lineLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *lineLog) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.all.String(), text)
}

// TestSystemBusComesAndGoes starts without a bus, gets one, loses it by SIGKILL
// and gets another, all by events.
func TestSystemBusComesAndGoes(t *testing.T) {
	dir, err := os.MkdirTemp("", "bus") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "run", "bus") // the directory comes later too
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+socket)
	said := new(lineLog)
	log := slog.New(slog.NewTextHandler(said, nil))
	b := newSystemBus(&bus.Server{Instances: func() []*supervisor.Supervisor { return nil }, Log: log}, log)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.run(ctx) }()
	b.first(ctx)
	if got := said.count("no system bus"); got != 1 {
		t.Fatalf("it is told %d times", got)
	}
	for range 3 {
		if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
			t.Fatal(err)
		}
		kill := startOpenBus(t, socket)
		served(t, socket)
		kill()
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := said.count("no system bus"); got != 1 {
		t.Errorf("that there is no bus is told %d times", got)
	}
	if said.count("the system bus is gone") == 0 {
		t.Error("that the bus is gone is not told")
	}
}

// served waits until our name is on the bus, and makes a call.
func served(t *testing.T, socket string) {
	t.Helper()
	conn, err := dbus.Connect("unix:path="+socket, dbus.WithAuth(dbus.AuthExternal(strconv.Itoa(os.Geteuid()))))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	signals := make(chan *dbus.Signal, 16)
	conn.Signal(signals)
	if err := conn.AddMatchSignal(dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, bus.Name)); err != nil {
		t.Fatal(err)
	}
	list := func() error {
		return conn.Object(bus.Name, bus.ManagerPath).Call(bus.ManagerInterface+".ListInstances", 0).Err
	}
	limit := time.After(20 * time.Second)
	for err := list(); err != nil; err = list() {
		select {
		case <-signals:
		case <-limit:
			t.Fatalf("the objects do not come: %v", err)
		}
	}
}

// TestSystemBusRetriesEnd is on a clock of its own: after the last pause only an
// event wakes us.
func TestSystemBusRetriesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSystemBus(nil, slog.New(slog.DiscardHandler))
		pokes := make(chan watch.Poke, 1)
		failures, began := 0, time.Now()
		total := time.Duration(0)
		for _, pause := range retries {
			failures = b.pause(t.Context(), pokes, failures)
			if total += pause; time.Since(began) != total {
				t.Errorf("attempt %d comes after %v, not %v", failures, time.Since(began), total)
			}
		}
		for name, event := range map[string]func(){"the socket": func() { pokes <- watch.Poke{} }, "a person": b.again} {
			done := make(chan int, 1)
			go func() { done <- b.pause(t.Context(), pokes, failures) }()
			time.Sleep(24 * time.Hour)
			synctest.Wait()
			if len(done) > 0 {
				t.Fatalf("%s: there is another attempt", name)
			}
			event()
			if got := <-done; got != 0 {
				t.Errorf("%s: %d failures", name, got)
			}
		}
	})
}
