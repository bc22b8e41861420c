//go:build box

package main

import (
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// The unit in contrib/systemd takes an installation over that was started by
// hand, and systemd follows its upgrades.
func TestBoxSourceUnit(t *testing.T) {
	m := bootSource(t)
	m.makeInstall()
	m.lookAfter(sourceInstance + sourceQuick)
	before := m.byHand(sourceStart)
	version := next(before)
	m.NewerNginx(t, sourceBinary, version)
	m.sourceUpgraded(before, version)

	m.becomesUnit()
	// The daemon knows one master by its pid file and by its unit.
	m.sh("systemctl restart nginx-hotswap")
	if s := m.found(); s.Name != "source" || s.Unit != "nginx.service" || s.MainPID != m.mainPID() {
		t.Errorf("%+v", s)
	}
	m.followedUpgrade()

	m.sh("rm /etc/nginx-hotswap/instance.d/source.conf")
	m.configure(quickConfig)
	if s := m.found(); s.Name != "nginx" || s.Unit != "nginx.service" {
		t.Errorf("%+v", s)
	}
	m.followedUpgrade()
	m.followedRollback()
	reloaded := m.status()
	load := m.startLoad()
	m.sh("systemctl reload nginx; sleep 1")
	load.lossless()
	if s := m.status(); s.MainPID != reloaded.MainPID || lastID(s) != lastID(reloaded) {
		t.Errorf("a reload was taken for something else: %+v", s)
	}
	m.isFollowed(reloaded)
	m.says(m.sh("systemctl status nginx --no-pager"), m.status().Running.Version, "active (running)")
	if restarts := m.property("NRestarts"); restarts != "0" {
		t.Errorf("it was restarted %s times", restarts)
	}
	m.gracefulStop()
}

// becomesUnit does what the unit's own comment says.
func (m *machine) becomesUnit() {
	m.t.Helper()
	if err := m.CopyIn("../../contrib/systemd/nginx-source.service", "/etc/systemd/system/nginx.service"); err != nil {
		m.t.Fatal(err)
	}
	m.sh("sed -i '/^Exec.*\\/nginx/ s|" + sourceBinary + "|&" + sourceArgs + "|' /etc/systemd/system/nginx.service; systemd-analyze verify nginx.service 2>&1")
	m.stopByHand()
	m.sh("systemctl daemon-reload; systemctl enable --now nginx 2>&1")
	if pid := m.sourcePID(); pid != m.mainPID() || m.property("PIDFile") != sourcePIDFile {
		m.t.Errorf("the pid file names %d, systemd has %d, PIDFile=%s", pid, m.mainPID(), m.property("PIDFile"))
	}
}

func (m *machine) followedUpgrade() {
	m.t.Helper()
	before := m.status()
	load := m.startLoad()
	version := next(before)
	m.NewerNginx(m.t, sourceBinary, version)
	after := m.cycleAfter(lastID(before))
	load.lossless()
	if after.Last.Result != supervisor.Upgraded || after.Running.Version != version {
		m.t.Errorf("%+v, last %+v", after, after.Last)
	}
	m.isFollowed(after)
}

func (m *machine) followedRollback() {
	m.t.Helper()
	before := m.status()
	load := m.startLoad()
	badnginx.InBox(m.t, m.Box, sourceBinary, badnginx.CrashAtStart, '9')
	m.exits(supervisor.ExitRolledBack, "nginx-hotswap upgrade")
	after := m.cycleAfter(lastID(before))
	load.lossless()
	if after.MainPID != before.MainPID || m.sha256(sourceBinary) != before.Running.SHA256 {
		m.t.Errorf("%+v", after)
	}
	m.isFollowed(after)
}

// isFollowed checks that systemd has the master that serves, and no other.
func (m *machine) isFollowed(s supervisor.Status) {
	m.t.Helper()
	if m.mainPID() != s.MainPID || m.sourcePID() != s.MainPID || m.property("ActiveState") != "active" {
		m.t.Errorf("%d serves, systemd has %d, the pid file %d, the unit is %s", s.MainPID, m.mainPID(), m.sourcePID(), m.property("ActiveState"))
	}
	m.hasMasters(1)
}

// A master may be named by its pid file although it is the daemon's by its unit,
// also in mid-cycle, when that file names the successor.
func TestBoxPIDFileOfUnit(t *testing.T) {
	m := boot(t, "[Supervisor]\nAutomatic=no\n[Upgrade]\nSoakSec=300ms\nKeepOldSec=1min\n")
	const byPIDFile = " --pid-file=/run/nginx.pid"
	if out := m.sh("nginx-hotswap upgrade" + byPIDFile); !strings.HasPrefix(out, "nginx: already current") {
		t.Error(out)
	}
	m.install(nextVersion(m.status().Running.Version, 0))
	if out := m.sh("nginx-hotswap upgrade" + byPIDFile); !strings.HasPrefix(out, "nginx: upgraded ") {
		t.Error(out)
	}
	if out := m.sh("nginx-hotswap rollback" + byPIDFile); !strings.HasPrefix(out, "nginx: rolled back: ") {
		t.Error(out)
	}
	m.consistent()
}
