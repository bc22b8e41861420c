//go:build box

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// held is a phase that is over in milliseconds, and what makes it last.
type held struct {
	phase supervisor.Phase
	role  string // who is killed
	want  supervisor.Result
	alone string // who serves then: old, successor, or nobody
}

var heldPhases = []held{
	{supervisor.Shifting, "successor", supervisor.RolledBack, "old"},
	{supervisor.Reviving, "successor", supervisor.RolledBack, "old"},
	{supervisor.Returning, "successor", supervisor.RolledBack, "old"},
	{supervisor.Dismissing, "successor", supervisor.RolledBack, "old"},
	// systemd follows the pid file, which names the successor.
	{supervisor.Shifting, "old", supervisor.Lost, "successor"},
	{supervisor.Retiring, "old", supervisor.Upgraded, "successor"},
	{supervisor.Reviving, "old", supervisor.Lost, "successor"},
	{supervisor.Returning, "old", supervisor.Lost, "successor"},
	// The successor was told to go, or is gone, and PID 1 ends the unit.
	{supervisor.Dismissing, "old", supervisor.Lost, "nobody"},
	{supervisor.Restoring, "old", supervisor.Lost, "nobody"},
}

// heldConfig needs SoakSec=, which is for ever where somebody is to step in.
const heldConfig = "[Supervisor]\nAutomatic=no\n[Upgrade]\nKeepOldSec=0\n"

// Masters that are killed in phases that are held open: by a process that does
// not get on, a unit that takes no notification, or a package transaction.
func TestBoxKilledInHeldPhases(t *testing.T) {
	m := boot(t, heldConfig+"SoakSec=100ms\n")
	m.restartable()
	for _, h := range heldPhases {
		t.Run(fmt.Sprintf("%s/%s", h.phase, h.role), func(t *testing.T) { m.in(t).killHeld(h) })
	}
}

func (m *machine) killHeld(h held) {
	if h.phase == supervisor.Retiring {
		m.configure(heldConfig + "SoakSec=100ms\nConfirm=manual\n")
	} else {
		m.configure(heldConfig + "SoakSec=1h\n")
	}
	var before supervisor.Status
	m.eventually("it is attached", func() bool {
		before = m.status()
		return before.Phase == supervisor.Idle && before.MainPID != 0 && before.MainPID == m.mainPID() && before.Running.Version != ""
	})
	version := nextVersion(before.Running.Version, 0)
	stopped := []int{} // have to go on
	if h.phase == supervisor.Shifting {
		stopped = append(stopped, before.Masters[0].Workers[0].PID)
	}
	m.signal("STOP", stopped)
	kind := badnginx.Good
	if h.phase == supervisor.Restoring {
		kind = badnginx.CrashAfter // nothing is restored without a reason
		m.lockPackages()
	}
	badnginx.InBox(m.t, m.Box, nginxBinary, kind, version[len(version)-1], time.Second)
	m.sh("nginx-hotswap upgrade --force --wait=done >/dev/null 2>&1 &")
	stopped = append(stopped, m.holdOpen(h.phase)...)
	now := m.reaches(h.phase)
	victim := before.MainPID
	if h.role == "successor" {
		if victim = successorIn(now).PID; victim == 0 {
			m.t.Fatalf("in %s there is no successor: %+v", h.phase, now)
		}
	}
	m.sh(fmt.Sprintf("kill -KILL %d", victim))
	m.signal("CONT", stopped)
	var after supervisor.Status
	if h.phase == supervisor.Restoring {
		m.sh("systemctl stop lock")
	}
	m.eventually("the cycle ends", func() bool {
		after = m.status()
		return after.Phase == supervisor.Idle && lastID(after) != lastID(before)
	})
	if h.phase == supervisor.Returning {
		m.sh("rm /etc/systemd/system/nginx.service.d/zz-deaf.conf; systemctl daemon-reload")
	}
	if after.Last.Result != h.want {
		m.t.Errorf("got %s (%s), want %s", after.Last.Result, after.Last.Reason, h.want)
	}
	if h.alone == "nobody" {
		m.startsAnew()
		return
	}
	wants := before.Running.Version
	if h.alone == "successor" {
		wants = version
	}
	m.servesAlone(wants, acceptingWorkers(before))
	// The killed one left the binary of the other on disk: make it current.
	m.configure(heldConfig + "SoakSec=100ms\n")
	m.exits(supervisor.ExitOK, "nginx-hotswap upgrade --force --wait=done")
}

// holdOpen makes a phase to come last, and returns who is stopped for it.
func (m *machine) holdOpen(phase supervisor.Phase) []int {
	m.t.Helper()
	if phase == supervisor.Shifting || phase == supervisor.Restoring {
		return nil // nothing more: it is held open already, and goes back by itself
	}
	if phase == supervisor.Retiring {
		old := m.reaches(supervisor.Draining).Masters[0].PID
		m.signal("STOP", []int{old})
		m.exits(supervisor.ExitOK, "nginx-hotswap confirm")
		return []int{old}
	}
	masters := m.reaches(supervisor.Soaking).Masters
	var stopped []int
	switch phase {
	case supervisor.Reviving:
		stopped = []int{masters[0].PID}
	case supervisor.Returning: // MainPID moves, and cannot be moved back
		m.write("/etc/systemd/system/nginx.service.d/zz-deaf.conf", "[Service]\nNotifyAccess=none\n")
		m.sh("systemctl daemon-reload; systemctl reload nginx")
	case supervisor.Dismissing:
		stopped = []int{masters[1].Workers[0].PID}
	}
	m.signal("STOP", stopped)
	m.sh("nginx-hotswap rollback >/dev/null 2>&1 &")
	return stopped
}

// lockPackages is a package transaction until the unit lock is stopped.
func (m *machine) lockPackages() {
	m.t.Helper()
	m.sh(`systemd-run -q --unit=lock -p Type=notify -p NotifyAccess=all perl -e '
		open F, "+>>", "/var/lib/dpkg/lock-frontend" or die;
		my $write = pack "s s x4 q q i x4", 1, 0, 0, 0, 0; fcntl F, 6, $write or die;
		system "systemd-notify", "--ready"; sleep 60'`)
}

// signal sends a signal and returns when a stop has taken effect: a process that is
// not stopped yet takes the signals of lower numbers first.
func (m *machine) signal(name string, pids []int) {
	m.t.Helper()
	for _, pid := range pids {
		m.sh(fmt.Sprintf("kill -%s %d || ! test -d /proc/%[2]d", name, pid))
		if name == "STOP" {
			m.sh(fmt.Sprintf(`while [ -d /proc/%d ] && ! grep -q '^State:.T' /proc/%[1]d/status; do sleep 0.01; done`, pid))
		}
	}
}

// servesAlone checks that one version serves, that systemd follows it, and that
// no worker accepts but those of its master.
func (m *machine) servesAlone(version string, want int) {
	m.t.Helper()
	var s supervisor.Status
	accepting := ""
	defer func() {
		if m.t.Failed() {
			m.t.Logf("want %d workers of %s; accepting:\n%s\n%+v", want, version, accepting, s)
		}
	}()
	m.eventually("one master is followed and nobody else accepts", func() bool {
		s = m.status()
		if s.MainPID == 0 || s.MainPID != m.mainPID() || len(s.Masters) != 1 || s.Running.Version != version || acceptingWorkers(s) != want {
			return false
		}
		// What is gone in between does not count.
		accepting = m.sh(`grep -als '^nginx: worker process' /proc/[0-9]*/cmdline | xargs -r grep -asL 'shutting down' || true`)
		return len(strings.Fields(accepting)) == want
	})
	m.consistent()
	m.reloads(s)
}

// reloads makes sure that a reload of the unit reaches the master.
func (m *machine) reloads(before supervisor.Status) {
	m.t.Helper()
	known := before.Masters[0].Workers[0].PID
	m.sh("systemctl reload nginx")
	m.eventually("its workers are new", func() bool {
		s := m.status()
		return s.MainPID == before.MainPID && len(s.Masters) == 1 &&
			!slices.ContainsFunc(s.Masters[0].Workers, func(w supervisor.WorkerStatus) bool { return w.PID == known })
	})
}

// startsAnew is what is left to a person when the unit was ended: nothing of it
// is left, and it starts as ever.
func (m *machine) startsAnew() {
	m.t.Helper()
	m.eventually("nothing is left of nginx", func() bool {
		return m.sh(`grep -alE '^nginx: (master|worker)' /proc/[0-9]*/cmdline | wc -l`) == "0"
	})
	m.sh("systemctl reset-failed nginx || true; systemctl start nginx")
	m.eventually("the daemon has attached", func() bool {
		s := m.status()
		return s.MainPID != 0 && s.MainPID == m.mainPID() && s.Phase == supervisor.Idle
	})
	m.consistent()
}
