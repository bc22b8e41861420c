//go:build box

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// slowConfig leaves time for somebody to step in. Draining does not end by itself.
const slowConfig = "[Supervisor]\nSettleSec=300ms\n[Upgrade]\nSoakSec=5s\nKeepOldSec=0\nConfirm=manual\n"

// patientUnit waits for nginx to finish for longer than stopLimit.
const (
	patientUnit = "[Service]\nTimeoutStopSec=3min\nExecStop=\nExecStop=-/sbin/start-stop-daemon --quiet --stop --retry QUIT/120 --pidfile /run/nginx.pid\n"
	stopLimit   = time.Minute
)

// In mid-cycle the daemon ends, and its successor goes on; or an administrator
// stops or restarts nginx, and nothing goes on.
func TestBoxRollbackInterrupted(t *testing.T) {
	m := boot(t, slowConfig)
	m.write("/etc/systemd/system/nginx.service.d/patient.conf", patientUnit)
	m.restartable()
	const restart, kill = "systemctl restart nginx-hotswap", "systemctl kill -s KILL nginx-hotswap"
	t.Run("restart and kill", func(t *testing.T) { m.in(t).goesOn(0, restart, kill) })
	t.Run("kill and restart", func(t *testing.T) { m.in(t).goesOn(1, kill, restart) })
	for i, c := range overtaking {
		t.Run(c.command+" in "+string(c.phase), func(t *testing.T) { m.in(t).isOvertaken(i, c) })
	}
}

// overtake is what an administrator does, in which phase, and how many masters
// there are afterwards.
type overtake struct {
	command string
	phase   supervisor.Phase
	masters int
}

var overtaking = []overtake{
	{"systemctl restart nginx", supervisor.Soaking, 1},
	{"systemctl restart nginx", supervisor.Draining, 1},
	{"systemctl stop nginx", supervisor.Soaking, 0},
	{"systemctl stop nginx", supervisor.Draining, 0},
}

// goesOn ends the daemon in Soaking by one command and in Draining by another.
func (m *machine) goesOn(i int, soaking, draining string) {
	before, records := m.status(), len(m.records())
	version := nextVersion(before.Running.Version, i)
	load := m.startLoad()
	m.install(version)
	m.reaches(supervisor.Soaking)
	m.sh(soaking)
	m.returns(supervisor.Soaking)
	m.reaches(supervisor.Draining)
	m.sh(draining)
	m.returns(supervisor.Draining)
	m.exits(supervisor.ExitOK, "nginx-hotswap confirm")
	after := m.cycleAfter(lastID(before))
	load.lossless()
	m.consistent()
	if after.Last.Result != supervisor.Upgraded || after.Running.Version != version {
		m.t.Errorf("%+v", after)
	}
	if now := len(m.records()); now != records+1 {
		m.t.Errorf("%d records, before there were %d", now, records)
	}
}

// returns waits for a daemon that goes on in the given phase.
func (m *machine) returns(phase supervisor.Phase) {
	m.t.Helper()
	m.eventually("the daemon goes on in "+string(phase), func() bool {
		return strings.Contains(m.sh("journalctl --sync; journalctl -u nginx-hotswap -o cat _PID=$(systemctl show -p MainPID --value nginx-hotswap)"),
			"in phase "+string(phase))
	})
}

func (m *machine) isOvertaken(i int, c overtake) {
	before, records := m.status(), len(m.records())
	load := m.startLoad("kind=new,url=http://127.0.0.1:8080/,clients=2")
	m.install(nextVersion(before.Running.Version, i))
	m.reaches(c.phase)
	began := time.Now()
	m.sh(c.command)
	if took := time.Since(began); took > stopLimit {
		m.t.Errorf("%s took %v", c.command, took)
	}
	load.stop() // which has lost requests, as was asked for
	m.eventually("the record is closed", func() bool { return len(m.records()) == records+1 })
	rec := m.records()[records]
	if rec.Result != supervisor.Overtaken || rec.Condemned {
		m.t.Errorf("%s: %s, condemned: %v", rec.Result, rec.Reason, rec.Condemned)
	}
	m.hasMasters(c.masters)
	if known := m.sh("cat /var/lib/nginx-hotswap/instance/nginx.json"); strings.Contains(known, "quarantine") {
		m.t.Errorf("in quarantine: %s", known)
	}
	m.sh("systemctl start nginx")
	m.eventually("the daemon has attached", func() bool {
		s := m.status()
		return s.MainPID != 0 && s.MainPID == m.mainPID() && s.Phase == supervisor.Idle && !s.Pending
	})
	m.consistent()
}
