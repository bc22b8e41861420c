//go:build box

package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// A way back that gets stuck: a reload in mid-cycle has moved MainPID to the
// successor, and the unit takes no notification that would move it back. The
// commands that the message names lead out, each way.
func TestBoxRollbackStuck(t *testing.T) {
	m := boot(t, "[Supervisor]\nSettleSec=300ms\n[Upgrade]\nSoakSec=1min\nKeepOldSec=0\n")
	m.write("/etc/systemd/system/nginx.service.d/zz-deaf.conf", "[Service]\nNotifyAccess=none\n")
	m.sh("systemctl daemon-reload")
	t.Run("go back", func(t *testing.T) { m.in(t).leadsBack() })
	t.Run("keep", func(t *testing.T) { m.in(t).leadsOn() })
}

// getsStuck begins a cycle and makes its way back fail. It returns the message.
func (m *machine) getsStuck(begin func()) string {
	m.t.Helper()
	records := len(m.records())
	begin()
	s := m.reaches(supervisor.Soaking)
	m.sh("systemctl reload nginx")
	if got := m.mainPID(); got != s.Masters[1].PID {
		m.t.Fatalf("MainPID is %d, not the successor %d", got, s.Masters[1].PID)
	}
	message := m.exits(supervisor.ExitStuck, "nginx-hotswap rollback")
	if now := m.records(); len(now) != records+1 || now[records].Result != supervisor.Stuck {
		m.t.Fatalf("%d records, the last: %+v", len(now), now[len(now)-1])
	}
	if told := m.tells(m.records()[records].ID, supervisor.EventStuck); !strings.Contains(message, told) {
		m.t.Errorf("the journal says %s, the command %s", told, message)
	}
	return message
}

var (
	named     = regexp.MustCompile("`([^`]+)`")
	dismissed = regexp.MustCompile(`^kill -QUIT ([0-9]+)$`)
)

// follow carries out the commands that a part of a message names, one after the
// other. Who is told to go is waited for.
func (m *machine) follow(text string) {
	m.t.Helper()
	m.t.Log(text)
	commands := named.FindAllStringSubmatch(text, -1)
	if len(commands) == 0 {
		m.t.Fatalf("no command in %q", text)
	}
	for _, match := range commands {
		m.sh(match[1])
		if pid := dismissed.FindStringSubmatch(match[1]); pid != nil {
			m.eventually(pid[1]+" is gone", func() bool { return m.sh("test -d /proc/"+pid[1]+" && echo there || echo gone") == "gone" })
		}
	}
}

func (m *machine) leadsBack() {
	before := m.status()
	load := m.startLoad()
	message := m.getsStuck(func() { m.install(nextVersion(before.Running.Version, 0)) })
	_, way, _ := strings.Cut(message, "to go back to "+before.Running.Version+" run ")
	m.follow(way)
	var after supervisor.Status
	m.eventually("the old master serves alone", func() bool {
		after = m.status()
		return after.MainPID == before.MainPID && after.MainPID == m.mainPID() && acceptingWorkers(after) == acceptingWorkers(before)
	})
	m.eventually("it is pending", func() bool {
		after = m.status()
		return after.Pending && strings.Contains(after.Reason, "stuck: ")
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
	way, _, _ := strings.Cut(message, ", to go back")
	m.follow(way)
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
	m.eventually("one master", func() bool {
		return m.sh(`grep -alE '^nginx: master process' /proc/[0-9]*/cmdline | wc -l`) == "1"
	})
	m.sh("rm -f /run/site.sock.nginx-hotswap; systemctl reload nginx; systemctl is-active nginx")
	m.consistent()
}
