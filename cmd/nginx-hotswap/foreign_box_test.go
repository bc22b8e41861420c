//go:build box

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// What a person does by hand, as nginx's documentation tells, is left to that
// person, and systemd follows in the end, with PIDFile= and without.
func TestBoxForeignUpgrade(t *testing.T) {
	m := boot(t, "[Supervisor]\nAutomatic=no\n")
	t.Run("PIDFile=", func(t *testing.T) { m.in(t).personally() })
	m.write("/etc/systemd/system/nginx.service.d/pidfile.conf", "[Service]\nPIDFile=\n")
	m.sh("systemctl daemon-reload && systemctl restart nginx")
	m.eventually("it is attached", func() bool { return m.status().MainPID == m.mainPID() })
	t.Run("without PIDFile=", func(t *testing.T) { m.in(t).personally() })
}

// personally begins an upgrade and takes it back, and another and finishes it.
func (m *machine) personally() {
	m.t.Helper()
	before := m.status()
	load := m.startLoad("kind=new,url=http://127.0.0.1:8080/", "kind=keepalive,url=http://127.0.0.1:8080/")
	m.install(nextVersion(before.Running.Version, 0))
	begin := func() (old, successor int) {
		m.sh(fmt.Sprintf("kill -USR2 %d", before.MainPID))
		m.eventually("it is told", func() bool {
			s := m.status()
			return len(s.Masters) == 2 && strings.Contains(s.Reason, "somebody else upgrades nginx") && len(s.Masters[1].Workers) > 0
		})
		s := m.status()
		m.sh(fmt.Sprintf("kill -WINCH %d", before.MainPID))
		m.eventually("old is frozen", func() bool { return accepts(m.status().Masters[0]) == 0 })
		return s.Masters[0].PID, s.Masters[1].PID
	}
	ends := func(want supervisor.Result) {
		m.eventually("it is recorded", func() bool { s := m.status(); return len(s.Masters) == 1 && s.Last != nil && s.Last.Result == want })
		m.eventually("systemd follows", func() bool { return m.status().MainPID == m.mainPID() })
	}
	old, successor := begin()
	m.sh(fmt.Sprintf("kill -HUP %d", old))
	m.eventually("old accepts again", func() bool { return accepts(m.status().Masters[0]) > 0 })
	m.sh("sleep 1.5") // whoever does it by hand looks whether it serves
	m.sh(fmt.Sprintf("kill -QUIT %d", successor))
	ends(supervisor.RolledBack)
	if pid := m.mainPID(); pid != old {
		m.t.Errorf("the main process is %d, not %d", pid, old)
	}
	old, successor = begin()
	m.sh("sleep 1.5")
	m.sh(fmt.Sprintf("kill -QUIT %d", old))
	ends(supervisor.Adopted)
	if pid := m.mainPID(); pid != successor {
		m.t.Errorf("the main process is %d, not %d", pid, successor)
	}
	load.lossless()
	m.consistent()
	m.sh("systemctl reload nginx")
	m.sh("systemctl stop nginx && systemctl start nginx")
	m.eventually("it is attached", func() bool { return m.status().MainPID == m.mainPID() })
}

// accepts counts the workers of a master that accept connections.
func accepts(master supervisor.MasterStatus) int {
	n := 0
	for _, w := range master.Workers {
		if !w.Draining {
			n++
		}
	}
	return n
}
