//go:build box

package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// wayBackConfig soaks long enough for what goes wrong after a while, and does
// not wait long for what does not go.
const wayBackConfig = "[Supervisor]\nSettleSec=300ms\n" +
	"[Upgrade]\nSoakSec=4s\nKeepOldSec=0\nStartTimeoutSec=10s\nDismissTimeoutSec=2s\n"

// badAfter is when those go wrong that take a while: within SoakSec.
const badAfter = time.Second

// badBuild is a build that goes wrong, and what is expected of the way back.
type badBuild struct {
	kind      badnginx.Kind
	lossless  bool   // it never gets as far as a client
	condemned bool   // it is the build's fault
	reason    string // a part of it
}

var badBuilds = []badBuild{
	{kind: badnginx.CrashAtStart, lossless: true, condemned: true, reason: "SIGABRT"},
	{kind: badnginx.ExitAtStart, lossless: true, reason: "successor"},
	{kind: badnginx.HangAtStart, lossless: true, reason: "it took too long (more than 10s)"},
	{kind: badnginx.CrashAtFirstRequest, condemned: true, reason: "SIGABRT"},
	{kind: badnginx.CrashAfter, condemned: true, reason: "SIGABRT"},
	{kind: badnginx.ExitMasterAfter, reason: "exited"}, // with code 1, where the kernel tells
	{kind: badnginx.Answer500, condemned: true, reason: "500"},
	{kind: badnginx.Silent, condemned: true, reason: "3 times in a row"},
}

func TestBoxRollbackOfBadBuilds(t *testing.T) {
	m := boot(t, wayBackConfig)
	m.sh("cp -p /usr/sbin/nginx /root/nginx.good")
	for _, b := range badBuilds {
		t.Run(string(b.kind), func(t *testing.T) { m.in(t).refuses(b) })
	}
	for _, l := range lackingListeners {
		t.Run(l.name, func(t *testing.T) { m.in(t).refusesToLose(l) })
	}
	t.Run("quarantine", func(t *testing.T) { m.in(t).quarantines() })
	t.Run("leave", func(t *testing.T) { m.in(t).leaves() })
}

// refuses installs a bad build, asks for the upgrade, and looks at everything
// that a way back promises.
func (m *machine) refuses(b badBuild) {
	before := m.status()
	load := m.startLoad()
	badnginx.InBox(m.t, m.Box, nginxBinary, b.kind, '9', badAfter)
	bad := m.sha256(nginxBinary)
	out := m.exits(supervisor.ExitRolledBack, "nginx-hotswap upgrade")
	after := m.cycleAfter(lastID(before))
	report := load.stop()
	if err := report.Verdict(); b.lossless && err != nil {
		m.t.Errorf("%v: %+v", err, report.Failures)
	}
	m.oldServes(before, after, b.reason)
	if !strings.Contains(out, b.reason) {
		m.t.Errorf("upgrade says %s", out)
	}
	if b.condemned {
		m.standsIn(after, bad)
	} else {
		m.staysPending(after, bad)
	}
}

// oldServes checks that the way back has led to where the cycle came from.
func (m *machine) oldServes(before, after supervisor.Status, reason string) {
	m.t.Helper()
	rec := m.record(after.Last.ID)
	if rec.Result != supervisor.RolledBack || !strings.Contains(rec.Reason, reason) {
		m.t.Errorf("the record says %s: %s, not %s", rec.Result, rec.Reason, reason)
	}
	if after.MainPID != before.MainPID || after.Running.SHA256 != before.Running.SHA256 || m.mainPID() != before.MainPID {
		m.t.Errorf("runs %d %+v, systemd has %d; before %d %+v", after.MainPID, after.Running, m.mainPID(), before.MainPID, before.Running)
	}
	if len(after.Masters) != 1 || acceptingWorkers(after) != acceptingWorkers(before) {
		m.t.Errorf("before %+v, after %+v", before.Masters, after.Masters)
	}
	m.consistent()
	load := m.startLoad()
	time.Sleep(500 * time.Millisecond) // how long it runs matters to nobody
	load.lossless()
	m.tells(rec.ID, supervisor.EventRollback)
	m.tells(rec.ID, supervisor.EventFinished)
}

// acceptingWorkers counts those that do not drain.
func acceptingWorkers(s supervisor.Status) int {
	n := 0
	for _, w := range s.Masters[0].Workers {
		if !w.Draining {
			n++
		}
	}
	return n
}

// standsIn checks that the kept binary is in the place of a condemned one.
func (m *machine) standsIn(s supervisor.Status, bad string) {
	m.t.Helper()
	if disk := m.sha256(nginxBinary); disk != s.Running.SHA256 || disk != m.sha256(fmt.Sprintf("/proc/%d/exe", s.MainPID)) || disk == bad {
		m.t.Errorf("on disk is %s, %s runs, %s is bad", disk, s.Running.SHA256, bad)
	}
	if s.Pending || !strings.Contains(s.Reason, "stands in for") {
		m.eventually("status says that a kept binary stands in", func() bool {
			s = m.status()
			return !s.Pending && strings.Contains(s.Reason, "stands in for")
		})
	}
	m.exits(supervisor.ExitRolledBack, "nginx-hotswap upgrade")
	m.tells(s.Last.ID, supervisor.EventRestored)
}

// staysPending checks that a build that was rolled back for no fault of its own
// is left where it is, and puts the good one back.
func (m *machine) staysPending(s supervisor.Status, bad string) {
	m.t.Helper()
	cycle := lastID(s)
	if disk := m.sha256(nginxBinary); disk != bad {
		m.t.Errorf("on disk is %s, not %s", disk, bad)
	}
	m.eventually("it is pending", func() bool {
		s = m.status()
		return s.Pending && strings.Contains(s.Reason, "tried and rolled back")
	})
	if quarantine := m.sh("cat /var/lib/nginx-hotswap/instance/nginx.json"); strings.Contains(quarantine, cycle) {
		m.t.Errorf("in quarantine: %s", quarantine)
	}
	if now := lastID(m.status()); now != cycle {
		m.t.Errorf("it was tried again by itself: %s after %s", now, cycle)
	}
	m.restoreGood()
}

// restoreGood puts the good build back by hand, which is no reason for a cycle.
func (m *machine) restoreGood() {
	m.t.Helper()
	m.sh("cp -p /root/nginx.good /usr/sbin/nginx.new; mv /usr/sbin/nginx.new /usr/sbin/nginx")
	m.exits(supervisor.ExitOK, "nginx-hotswap upgrade")
}

// quarantines: a condemned build is tried again by force alone, and a good one
// that comes after it goes through.
func (m *machine) quarantines() {
	before := m.status()
	badnginx.InBox(m.t, m.Box, nginxBinary, badnginx.CrashAtStart, '8')
	m.sh("cp -p /usr/sbin/nginx /root/nginx.bad")
	bad := m.sha256("/root/nginx.bad")
	m.exits(supervisor.ExitRolledBack, "nginx-hotswap upgrade")
	first := m.cycleAfter(lastID(before))

	load := m.startLoad()
	m.sh("cp -p /root/nginx.bad /usr/sbin/nginx.new; mv /usr/sbin/nginx.new /usr/sbin/nginx")
	m.eventually("it is pending", func() bool {
		s := m.status()
		return s.Pending && strings.Contains(s.Reason, "quarantine")
	})
	m.exits(supervisor.ExitRolledBack, "nginx-hotswap upgrade")
	if s := m.status(); lastID(s) != lastID(first) {
		m.t.Errorf("it was tried again: %+v", s.Last)
	}
	m.exits(supervisor.ExitRolledBack, "nginx-hotswap upgrade --force")
	second := m.cycleAfter(lastID(first))
	m.standsIn(second, bad)

	version := nextVersion(before.Running.Version, 0)
	m.install(version)
	m.exits(supervisor.ExitOK, "nginx-hotswap upgrade")
	after := m.cycleAfter(lastID(second))
	load.lossless()
	m.consistent()
	if after.Last.Result != supervisor.Upgraded || after.Running.Version != version || after.Pending || after.Reason != "" {
		m.t.Errorf("%+v", after)
	}
	if known := m.sh("cat /var/lib/nginx-hotswap/instance/nginx.json"); !strings.Contains(known, bad) {
		m.t.Errorf("the quarantine is forgotten: %s", known)
	}
}

// leaves: with OnBadBinary=leave the difference is told, and the command that is
// named there ends it.
func (m *machine) leaves() {
	m.configure(wayBackConfig + "OnBadBinary=leave\n")
	before := m.status()
	badnginx.InBox(m.t, m.Box, nginxBinary, badnginx.CrashAtStart, '7')
	bad := m.sha256(nginxBinary)
	m.exits(supervisor.ExitRolledBack, "nginx-hotswap upgrade")
	after := m.cycleAfter(lastID(before))
	m.oldServes(before, after, "SIGABRT")
	m.endsMismatch(after, bad)
}

// endsMismatch looks for a difference between disk and memory in the journal and
// in status, and carries out the command that the journal names.
func (m *machine) endsMismatch(s supervisor.Status, bad string) {
	m.t.Helper()
	if disk := m.sha256(nginxBinary); disk != bad {
		m.t.Errorf("on disk is %s, not %s", disk, bad)
	}
	m.eventually("it is pending", func() bool {
		now := m.status()
		return now.Pending && strings.Contains(now.Reason, "quarantine")
	})
	message := m.tells(s.Last.ID, supervisor.EventMismatch)
	_, command, _ := strings.Cut(message, "or run `")
	command, _, _ = strings.Cut(command, "`")
	if !strings.HasPrefix(command, "nginx-hotswap rollback") {
		m.t.Fatalf("no command in %q", message)
	}
	if m.t.Failed() {
		return
	}
	m.sh("! findmnt /usr/sbin || umount -l /usr/sbin")
	m.exits(supervisor.ExitOK, command)
	after := m.status()
	if disk := m.sha256(nginxBinary); disk != s.Running.SHA256 || after.MainPID != s.MainPID || after.Pending {
		m.t.Errorf("after %s: on disk is %s, %+v", command, disk, after)
	}
}
