//go:build box

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// A way back that gets stuck: somebody has stopped the old master. The commands
// that the message names lead out, each way.
func TestBoxRollbackStuck(t *testing.T) {
	m := boot(t, "[Supervisor]\nSettleSec=300ms\n[Upgrade]\nSoakSec=1min\nKeepOldSec=0\nStartTimeoutSec=5s\n")
	t.Run("go back", func(t *testing.T) { m.in(t).leadsBack() })
	t.Run("keep", func(t *testing.T) { m.in(t).leadsOn() })
}

// A reload in mid-cycle has moved MainPID to the successor, and the unit takes no
// notification that would move it back. The successor goes all the same, and
// systemd follows the old master in the end.
func TestBoxRollbackOfDeafUnit(t *testing.T) {
	m := boot(t, "[Supervisor]\nSettleSec=300ms\n[Upgrade]\nSoakSec=1min\nKeepOldSec=0\n")
	m.write("/etc/systemd/system/nginx.service.d/zz-deaf.conf", "[Service]\nNotifyAccess=none\n")
	m.sh("systemctl daemon-reload && systemctl restart nginx-hotswap")
	m.eventually("it is attached", func() bool { return m.status().MainPID == m.mainPID() })
	before := m.status()
	load := m.startLoad()
	m.install(nextVersion(before.Running.Version, 0))
	s := m.reaches(supervisor.Soaking)
	m.sh("systemctl reload nginx")
	if got := m.mainPID(); got != s.Masters[1].PID {
		t.Fatalf("MainPID is %d, not the successor %d", got, s.Masters[1].PID)
	}
	m.exits(supervisor.ExitOK, "nginx-hotswap rollback")
	load.lossless()
	if got := m.mainPID(); got != before.MainPID {
		t.Errorf("MainPID is %d, not %d", got, before.MainPID)
	}
	m.aloneAndActive()
	m.gracefulStop()
}

// getsStuck begins a cycle and makes its way back fail. It returns the message.
func (m *machine) getsStuck(begin func()) string {
	m.t.Helper()
	records := len(m.records())
	begin()
	s := m.reaches(supervisor.Soaking)
	m.signal("STOP", []int{s.Masters[0].PID})
	message := m.exits(supervisor.ExitStuck, "nginx-hotswap rollback")
	if now := m.records(); len(now) != records+1 || now[records].Result != supervisor.Stuck {
		m.t.Fatalf("%d records, the last: %+v", len(now), now[len(now)-1])
	}
	if told := m.tells(m.records()[records].ID, supervisor.EventStuck); !strings.Contains(message, told) {
		m.t.Errorf("the journal says %s, the command %s", told, message)
	}
	return message
}

// follow carries out the command line that a message names for a way, as it
// stands there.
func (m *machine) follow(message, way string) {
	m.t.Helper()
	m.t.Log(message)
	lines := strings.Split(message, "\n")
	for i, line := range lines[:len(lines)-1] {
		if strings.HasPrefix(line, way) {
			m.sh(strings.TrimSpace(lines[i+1]))
			return
		}
	}
	m.t.Fatalf("no way %q", way)
}

// staysStuck makes sure that nothing is touched as long as both masters are
// there: not when asked, not at a reload of the daemon, not by the next one.
func (m *machine) staysStuck(message string) {
	m.t.Helper()
	// A draining worker may come to its end meanwhile; masters may not. A
	// process that ends while it is looked at is none: grep says 2 to that.
	masters := "grep -alsE '^nginx: master process' /proc/[0-9]*/cmdline || true"
	before := m.sh(masters)
	for _, script := range []string{"systemctl kill -s HUP nginx-hotswap", "systemctl restart nginx-hotswap"} {
		m.sh(script)
		m.eventually("the daemon is up", func() bool {
			stdout, _, _, err := m.Try(m.t.Context(), "nginx-hotswap status --json")
			return err == nil && strings.Contains(stdout, "stuck: ")
		})
		m.eventually("status names both masters and the ways", func() bool {
			s := m.status()
			return s.Pending && len(s.Masters) == 2 && strings.Contains(message, s.Reason)
		})
		m.exits(supervisor.ExitStuck, "nginx-hotswap upgrade")
	}
	if now := m.sh(masters); now != before {
		m.t.Errorf("masters were %s, are %s", before, now)
	}
}

func (m *machine) leadsBack() {
	before := m.status()
	load := m.startLoad()
	message := m.getsStuck(func() { m.install(nextVersion(before.Running.Version, 0)) })
	m.staysStuck(message)
	m.follow(message, "to go back to "+before.Running.Version)
	var after supervisor.Status
	m.eventually("the old master serves alone", func() bool {
		after = m.status()
		return after.MainPID == before.MainPID && after.MainPID == m.mainPID() && acceptingWorkers(after) == acceptingWorkers(before)
	})
	m.eventually("it is pending", func() bool {
		after = m.status()
		return after.Pending && strings.Contains(after.Reason, "it got stuck: ") && !strings.Contains(after.Reason, "kill")
	})
	load.lossless()
	if after.Phase != supervisor.Idle || after.Last.Result != supervisor.Stuck {
		m.t.Errorf("it was tried again: %+v", after)
	}
	m.aloneAndActive()
}

func (m *machine) leadsOn() {
	before := m.status()
	load := m.startLoad()
	message := m.getsStuck(func() { m.sh("nginx-hotswap upgrade >/dev/null 2>&1 &") })
	m.staysStuck(message)
	m.follow(message, "to keep ")
	m.eventually("no worker of the old master is left", func() bool {
		return m.sh("grep -als '^nginx: worker' /proc/[0-9]*/cmdline | wc -l") == m.sh(fmt.Sprintf("grep -l '^nginx: worker' $(printf '/proc/%%s/cmdline ' $(cat /proc/%d/task/%d/children)) | wc -l", m.mainPID(), m.mainPID()))
	})
	var after supervisor.Status
	m.eventually("the new master serves alone", func() bool {
		after = m.status()
		return after.MainPID == m.mainPID() && after.MainPID != before.MainPID && !after.Pending
	})
	load.lossless()
	m.aloneAndActive()
	m.gracefulStop()
}

// aloneAndActive is consistent, but for the links that a stuck cycle leaves.
func (m *machine) aloneAndActive() {
	m.t.Helper()
	m.hasMasters(1)
	m.sh("rm -f /run/site.sock.nginx-hotswap; systemctl reload nginx; systemctl is-active nginx")
	m.consistent()
}
