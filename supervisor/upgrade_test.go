package supervisor_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/internal/nginxtest"
)

// quick is a configuration without waiting for its own sake.
func quick() supervisor.Config {
	c := supervisor.Defaults()
	c.Upgrade.SoakSec = 200 * time.Millisecond
	c.Upgrade.KeepOldSec = 0
	c.Upgrade.StartTimeoutSec = 5 * time.Second
	c.Upgrade.DismissTimeoutSec = 2 * time.Second
	return c
}

// newSupervisor looks after a test's nginx by its pid file.
func newSupervisor(t *testing.T, n *nginxtest.Nginx, c supervisor.Config) *supervisor.Supervisor {
	t.Helper()
	dir := t.TempDir()
	instance := supervisor.InstanceConfig{Name: "test", PIDFile: n.PIDPath(), Upgrade: c.Upgrade}
	return supervisor.New(instance, supervisor.Options{
		Config: c,
		Store:  supervisor.Store{Runtime: filepath.Join(dir, "run"), State: filepath.Join(dir, "lib")},
		Log:    testLog(t),
		// The machine's own package manager is no matter of these tests.
		PackageLocks: []supervisor.PackageLock{},
	})
}

func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(string(bytes.TrimSpace(p)))
	return len(p), nil
}

// site has something for every kind of client.
func site(t *testing.T) traffic.Site {
	t.Helper()
	upstream, err := traffic.EchoUpstream("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { upstream.Close() })
	dir, err := os.MkdirTemp("", "sock") // sun_path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return traffic.Site{Unix: filepath.Join(dir, "http"), Upstream: upstream.Addr(), BigSize: 8 << 20}
}

func TestUpgradeUnderTraffic(t *testing.T) {
	n := nginxtest.Start(t, site(t))
	s := newSupervisor(t, n, quick())
	load, err := traffic.Start(traffic.Config{Targets: n.Targets()})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	data, version := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)

	// Old workers have slow downloads and open streams, which end when the
	// load is stopped: the cycle ends only then.
	reports := make(chan *traffic.Report, 1)
	time.AfterFunc(2*time.Second, func() { reports <- load.Stop() })
	out := s.Once(t.Context(), supervisor.Request{Origin: supervisor.OriginCLI, Wait: supervisor.WaitDone})
	if out.Code != supervisor.ExitOK || out.Result != supervisor.Upgraded {
		t.Errorf("got %+v", out)
	}
	report := <-reports
	var table bytes.Buffer
	report.Table(&table)
	t.Logf("\n%s", table.String())
	if err := report.Verdict(); err != nil {
		t.Error(err)
	}
	if report.Total.Servers["nginx/"+version] == 0 {
		t.Errorf("nobody was answered by %s: %v", version, report.Total.Servers)
	}
	if masters := n.Masters(t); len(masters) != 1 || masters[0] != n.PID(t) || masters[0] == n.Master {
		t.Errorf("masters %v, pid file %d, old master %d", masters, n.PID(t), n.Master)
	}
	if nginxtest.Exists(n.PIDPath() + ".oldbin") {
		t.Error(".oldbin is left")
	}
	if nginxtest.Exists(n.Unix + ".nginx-hotswap") {
		t.Error("the kept link of the unix socket is left")
	}
	again := s.Once(context.Background(), supervisor.Request{Origin: supervisor.OriginCLI, Wait: supervisor.WaitDone})
	if again.Code != supervisor.ExitOK || again.Cycle != "" {
		t.Errorf("nothing to do is success, got %+v", again)
	}
}
