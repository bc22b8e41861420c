package supervisor_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

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
	go func() {
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if s.Outline().Phase == supervisor.Draining && load.Snapshot().Total.Servers["nginx/"+version] > 0 {
				break
			}
		}
		reports <- load.Stop()
	}()
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
