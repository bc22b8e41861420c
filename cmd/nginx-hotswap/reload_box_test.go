//go:build box

package main

import (
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// A reload makes systemd read the pid file, which names the successor until that
// is gone: on the way back it must not hold on to it.
func TestBoxReloadWhileDismissing(t *testing.T) {
	m := boot(t, "[Supervisor]\nSettleSec=300ms\n[Upgrade]\nSoakSec=1min\n")
	before := m.status()
	// They keep the successor from going at once.
	load := m.startLoad("kind=new,url=http://127.0.0.1:8080/", "kind=stream,url=http://127.0.0.1:8080/stream,clients=8,hold=3s")
	m.install(nextVersion(before.Running.Version, 0))
	m.eventually("the successor has streams of its own", func() bool {
		connections := 0
		for _, w := range successorIn(m.status()).Workers {
			connections += w.Connections
		}
		return connections >= 8
	})
	m.sh("nginx-hotswap rollback nginx >/dev/null 2>&1 &")
	m.eventually("the successor is told to go", func() bool { return m.status().Phase == supervisor.Dismissing })
	m.sh("systemctl reload nginx")
	if successor := successorIn(m.status()); successor.PID == 0 {
		t.Fatal("the successor went before the reload was done")
	}
	after := m.cycleAfter(lastID(before))
	load.lossless()
	if after.Last.Result != supervisor.RolledBack || after.MainPID != before.MainPID {
		t.Errorf("before %+v, after %+v", before, after)
	}
	m.consistent()
}

// successorIn returns the successor of a cycle that runs, or one with pid 0.
func successorIn(st supervisor.Status) supervisor.MasterStatus {
	for _, m := range st.Masters {
		if m.Role == "successor" {
			return m
		}
	}
	return supervisor.MasterStatus{}
}
