//go:build box

package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// Masters that are killed by somebody, in the phases that last long enough to be
// hit: nobody's fault, and never two masters or a signal to the wrong one.
func TestBoxKilledMasters(t *testing.T) {
	m := boot(t, "[Supervisor]\nSettleSec=300ms\n[Upgrade]\nSoakSec=3s\nKeepOldSec=3s\n")
	m.restartable()
	for _, tt := range []struct {
		phase supervisor.Phase
		role  string
		want  supervisor.Result
	}{
		{supervisor.Starting, "successor", supervisor.RolledBack},
		{supervisor.Soaking, "successor", supervisor.RolledBack},
		{supervisor.Draining, "successor", supervisor.RolledBack},
		// systemd follows the pid file, which names the successor.
		{supervisor.Soaking, "old", supervisor.Upgraded},
		{supervisor.Draining, "old", supervisor.Upgraded},
		// There is no pid file then, and PID 1 ends the unit.
		{supervisor.Starting, "old", supervisor.Lost},
	} {
		t.Run(fmt.Sprintf("%s/%s", tt.phase, tt.role), func(t *testing.T) { m.in(t).killIn(tt.phase, tt.role, tt.want) })
	}
}

func (m *machine) killIn(phase supervisor.Phase, role string, want supervisor.Result) {
	var before supervisor.Status
	m.eventually("it is attached", func() bool {
		before = m.status()
		return before.Running.Version != "" && before.Phase == supervisor.Idle
	})
	version := nextVersion(before.Running.Version, 0)
	kind := badnginx.Good
	if phase == supervisor.Starting {
		kind = badnginx.SlowStart
	}
	badnginx.InBox(m.t, m.Box, nginxBinary, kind, version[len(version)-1], 3*time.Second)
	pid := 0
	m.eventually("there are two masters", func() bool {
		s := m.status()
		for _, master := range s.Masters {
			if s.Phase == phase && master.Role == role && len(s.Masters) == 2 {
				pid = master.PID
			}
		}
		return pid != 0
	})
	m.sh(fmt.Sprintf("kill -KILL %d", pid))
	var after supervisor.Status
	m.eventually("the cycle ends", func() bool {
		after = m.status()
		return after.Phase == supervisor.Idle && after.Last != nil && lastID(after) != lastID(before)
	})
	if after.Last.Result != want {
		m.t.Errorf("got %s (%s), want %s", after.Last.Result, after.Last.Reason, want)
	}
	if want == supervisor.Lost {
		return // the unit has failed, which is not ours to repair
	}
	m.eventually("one master is followed", func() bool {
		s := m.status()
		return s.MainPID != 0 && s.MainPID == m.mainPID() && len(s.Masters) == 1
	})
	m.consistent()
	load := m.startLoad("kind=new,url=http://127.0.0.1:8080/,clients=2")
	m.sh("sleep 0.5")
	load.lossless()
	// The killed one left the binary of the other on disk: make it current.
	m.sh("nginx-hotswap upgrade --force --wait=done || true")
}
