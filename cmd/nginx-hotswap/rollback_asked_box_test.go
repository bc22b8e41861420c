//go:build box

package main

import (
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// What a person asks for, and what becomes of it.
func TestBoxRollbackAskedFor(t *testing.T) {
	m := boot(t, quickConfig)
	t.Run("committed", func(t *testing.T) { m.in(t).goesBackAndForth() })
	t.Run("soaking", func(t *testing.T) { m.in(t).undoesWhileSoaking() })
	t.Run("confirmed", func(t *testing.T) { m.in(t).waitsForConfirm() })
	t.Run("unconfirmed", func(t *testing.T) { m.in(t).missesConfirm() })
	t.Run("held", func(t *testing.T) { m.in(t).holds() })
}

// goesBackAndForth: rollback of a committed upgrade is a full cycle.
func (m *machine) goesBackAndForth() {
	first := m.status()
	version := nextVersion(first.Running.Version, 0)
	m.install(version)
	newer := m.cycleAfter(lastID(first))
	load := m.startLoad()
	for _, step := range []struct {
		command string
		to      supervisor.Status
	}{
		{"rollback", first},
		{"rollback --to=" + version, newer},
		{"rollback --to=" + first.Running.SHA256[:8], first},
	} {
		before := m.status()
		m.exits(supervisor.ExitOK, "nginx-hotswap "+step.command)
		after := m.cycleAfter(lastID(before))
		if after.Last.Result != supervisor.Upgraded || after.Running.BuildStatus != step.to.Running.BuildStatus || after.Pending || after.Reason != "" {
			m.t.Errorf("%s: %+v, wanted %+v", step.command, after, step.to.Running)
		}
		if disk := m.sha256(nginxBinary); disk != after.Running.SHA256 {
			m.t.Errorf("%s: on disk is %s", step.command, disk)
		}
		m.consistent()
	}
	load.lossless()
	out := m.exits(supervisor.ExitFailure, "nginx-hotswap rollback --to=0.0.0")
	if !strings.Contains(out, version) {
		m.t.Errorf("it does not say what there is: %s", out)
	}
}

// undoesWhileSoaking: the old master has never been away.
func (m *machine) undoesWhileSoaking() {
	m.configure(strings.Replace(quickConfig, "SoakSec=500ms", "SoakSec=1min", 1))
	before := m.status()
	load := m.startLoad()
	m.install(nextVersion(before.Running.Version, 1))
	m.reaches(supervisor.Soaking)
	m.losesPIDFile()
	m.exits(supervisor.ExitOK, "nginx-hotswap rollback")
	after := m.cycleAfter(lastID(before))
	load.lossless()
	m.oldServes(before, after, "rollback was asked for")
	m.leftAlone(after, "rollback was asked for")
}

// losesPIDFile deletes the pid file that systemd follows the successor by: it is
// written anew, from within the sandbox.
func (m *machine) losesPIDFile() {
	m.t.Helper()
	m.sh("cp /run/nginx.pid /tmp/successor && rm /run/nginx.pid")
	m.eventually("the pid file is there again", func() bool {
		return m.sh("! cmp -s /run/nginx.pid /tmp/successor || echo it is") != ""
	})
}

// leftAlone checks that what was undone is not tried again, even by a daemon
// that looks anew.
func (m *machine) leftAlone(s supervisor.Status, reason string) {
	m.t.Helper()
	m.configure(quickConfig)
	m.eventually("it is pending", func() bool {
		now := m.status()
		return now.Pending && strings.Contains(now.Reason, reason)
	})
	if now := m.status(); lastID(now) != lastID(s) || now.Phase != supervisor.Idle {
		m.t.Errorf("it was tried again: %+v", now)
	}
}

// waitsForConfirm: with Confirm=manual the old master stays until somebody says
// so.
func (m *machine) waitsForConfirm() {
	m.configure(quickConfig + "Confirm=manual\n")
	before := m.status()
	load := m.startLoad()
	// It is pending from the subtest before, and asking tries it again.
	m.exits(supervisor.ExitFailure, "nginx-hotswap confirm")
	out := m.exits(supervisor.ExitOK, "nginx-hotswap upgrade")
	if !strings.Contains(out, "confirm") {
		m.t.Errorf("upgrade does not say that it waits to be confirmed: %s", out)
	}
	m.eventually("the old master has no connections left", func() bool {
		s := m.status()
		return len(s.Masters) == 2 && len(s.Masters[0].Workers) == 0
	})
	s := m.reaches(supervisor.Draining)
	if s.Masters[0].Role != "old" || s.Masters[1].Role != "successor" {
		m.t.Errorf("%+v", s.Masters)
	}
	if text := m.sh("nginx-hotswap status"); !strings.Contains(text, "nginx-hotswap confirm nginx") {
		m.t.Errorf("status does not say what it waits for:\n%s", text)
	}
	m.losesPIDFile()
	m.exits(supervisor.ExitOK, "nginx-hotswap confirm")
	after := m.cycleAfter(lastID(before))
	load.lossless()
	m.consistent()
	if after.Last.Result != supervisor.Upgraded || after.MainPID == before.MainPID || !m.record(after.Last.ID).Confirmed {
		m.t.Errorf("%+v", after)
	}
}

// missesConfirm: what nobody confirms goes back by itself.
func (m *machine) missesConfirm() {
	m.configure(quickConfig + "Confirm=manual\nConfirmTimeoutSec=3s\n")
	before := m.status()
	load := m.startLoad()
	m.install(nextVersion(before.Running.Version, 0))
	m.exits(supervisor.ExitOK, "nginx-hotswap upgrade")
	after := m.cycleAfter(lastID(before))
	load.lossless()
	m.oldServes(before, after, "nobody confirmed it")
	m.leftAlone(after, "nobody confirmed it")
}

// holds: a new binary waits as long as the instance is held.
func (m *machine) holds() {
	before := m.status()
	load := m.startLoad()
	m.exits(supervisor.ExitOK, "nginx-hotswap hold")
	version := nextVersion(before.Running.Version, 2)
	m.install(version)
	waits := func() {
		m.t.Helper()
		m.eventually("it is held", func() bool {
			s := m.status()
			return s.Held && s.Pending && s.Reason == "held"
		})
		m.exits(supervisor.ExitDeferred, "nginx-hotswap upgrade")
	}
	waits()
	m.sh("systemctl restart nginx-hotswap")
	waits()
	if s := m.status(); lastID(s) != lastID(before) || s.MainPID != before.MainPID {
		m.t.Errorf("it was not left alone: %+v", s)
	}
	m.exits(supervisor.ExitOK, "nginx-hotswap unhold")
	after := m.cycleAfter(lastID(before))
	load.lossless()
	m.consistent()
	if after.Last.Result != supervisor.Upgraded || after.Running.Version != version || after.Held {
		m.t.Errorf("%+v", after)
	}
}
