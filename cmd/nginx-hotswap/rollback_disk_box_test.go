//go:build box

package main

import (
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// Disks that do not take what should be written.
func TestBoxRollbackDisks(t *testing.T) {
	m := boot(t, quickConfig)
	t.Run("read-only", func(t *testing.T) { m.in(t).cannotPutBack() })
	t.Run("full", func(t *testing.T) { m.in(t).cannotKeep() })
}

// cannotPutBack: the way back ends with the condemned build on disk, and says so.
func (m *machine) cannotPutBack() {
	m.configure(quickConfig + "[Supervisor]\nAutomatic=no\n") // or it is faster than mount
	before := m.status()
	load := m.startLoad()
	badnginx.InBox(m.t, m.Box, nginxBinary, badnginx.CrashAtStart, '9')
	bad := m.sha256(nginxBinary)
	m.sh("mount --bind /usr/sbin /usr/sbin; mount -o remount,bind,ro /usr/sbin; ! touch /usr/sbin/file")
	m.exits(supervisor.ExitRolledBack, "nginx-hotswap upgrade")
	after := m.cycleAfter(lastID(before))
	load.lossless()
	m.oldServes(before, after, "SIGABRT")
	if left := m.sh("ls -A /usr/sbin | grep nginx-hotswap- || true"); left != "" {
		m.t.Errorf("left behind: %s", left)
	}
	m.endsMismatch(after, bad)
}

// cannotKeep: what could not be put back is not tried. An upgrade goes through
// as soon as there is room.
func (m *machine) cannotKeep() {
	m.sh(`systemctl stop nginx-hotswap
		mount -t tmpfs -o size=300K,mode=700 tmpfs /var/lib/nginx-hotswap`)
	m.configure(quickConfig)
	before := m.status()
	load := m.startLoad()
	version := nextVersion(before.Running.Version, 0)
	m.install(version)
	out := m.exits(supervisor.ExitRejected, "nginx-hotswap upgrade")
	if !strings.Contains(out, "cannot keep") || !strings.Contains(out, "no space left on device") {
		m.t.Errorf("upgrade says %s", out)
	}
	m.eventually("it is refused", func() bool {
		s := m.status()
		return s.Phase == supervisor.Idle && s.Pending && strings.Contains(s.Reason, "no space left on device")
	})
	if s := m.status(); s.MainPID != before.MainPID || len(s.Masters) != 1 || s.Last == nil || s.Last.Result != supervisor.Rejected {
		m.t.Errorf("%+v", s)
	}
	m.consistent()
	refused := m.status()
	m.sh("mount -o remount,size=50M /var/lib/nginx-hotswap")
	m.exits(supervisor.ExitOK, "nginx-hotswap upgrade")
	after := m.cycleAfter(lastID(refused))
	load.lossless()
	m.consistent()
	if after.Last.Result != supervisor.Upgraded || after.Running.Version != version {
		m.t.Errorf("%+v", after)
	}
}
