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

// An nginx that was compiled from source and started by hand is looked after by
// its pid file, by the daemon in its sandbox.
func TestBoxSourceInstall(t *testing.T) {
	m := bootSource(t)
	m.lookAfter(sourceInstance + sourceQuick)
	t.Run("started after the daemon", func(t *testing.T) { m.in(t).comesLate() })
	t.Run("upgrade", func(t *testing.T) { m.in(t).sourceUpgrade() })
	t.Run("make install", func(t *testing.T) { m.in(t).sourceMakeInstall() })
	t.Run("bad build", func(t *testing.T) { m.in(t).sourceBadBuild() })
	t.Run("rollback", func(t *testing.T) { m.in(t).sourceRollback() })
	t.Run("history", func(t *testing.T) { m.in(t).sourceHistory() })
	t.Run("stop and start", func(t *testing.T) { m.in(t).sourceStopStart() })
	t.Run("pid file", func(t *testing.T) { m.in(t).sourcePIDFileVanishes() })
}

// comesLate: neither the prefix nor anything below it is there when the daemon
// starts. It finds out without being told.
func (m *machine) comesLate() {
	m.eventually("it is not running", func() bool {
		s := m.status()
		return s.Name == "source" && s.MainPID == 0 && strings.Contains(s.Reason, "not running")
	})
	m.sh("sleep 17") // long enough for the pauses between two looks to grow to a quarter of a minute
	m.makeInstall()
	s := m.byHand(sourceStart)
	m.oneMaster(s)
	if group := m.sh(fmt.Sprintf("cat /proc/%d/cgroup", s.MainPID)); strings.Contains(group, ".service") || strings.Contains(group, ".scope") {
		m.t.Errorf("it is in a unit: %s", group)
	}
	// What the unit of the daemon may do is what this test is about.
	got := m.sh("systemctl show nginx-hotswap -p ProtectSystem,ProtectHome,NoNewPrivileges; systemctl is-active nginx-hotswap")
	m.says(got, "ProtectSystem=strict", "ProtectHome=read-only", "NoNewPrivileges=yes", "active")
	if view := m.sh("grep -E ' (/|/home) ' /proc/$(systemctl show nginx-hotswap -p MainPID --value)/mounts"); strings.Contains(view, " rw,") {
		m.t.Errorf("the daemon could write: %s", view)
	}
}

func (m *machine) sourceUpgrade() {
	before := m.found()
	load := m.startLoad()
	for range 3 {
		version := next(before)
		m.NewerNginx(m.t, sourceBinary, version)
		before = m.sourceUpgraded(before, version)
	}
	load.lossless()
	m.says(m.sh("nginx-hotswap status"), "source", before.Running.Version, "same", "idle", "upgraded")
}

// sourceMakeInstall writes as nginx's own Makefile does: the name is free for a
// moment, and then the file grows under it. It is one candidate.
func (m *machine) sourceMakeInstall() {
	before := m.found()
	records := len(m.records())
	version := next(before)
	m.NewerNginx(m.t, "/root/objs/nginx", version)
	load := m.startLoad()
	m.sh(`cd /home/nginx; mv sbin/nginx sbin/nginx.old
		{ head -c 200000; sleep 4; head -c 200000; sleep 4; cat; } </root/objs/nginx >sbin/nginx; chmod 755 sbin/nginx`)
	after := m.sourceUpgraded(before, version)
	load.lossless()
	if all := m.records(); len(all) != records+1 {
		m.t.Errorf("%d records after %d: %+v", len(all), records, all[records:])
	}
	if after.Running.Path != sourceBinary {
		m.t.Errorf("it runs %s", after.Running.Path)
	}
	m.sh("rm /home/nginx/sbin/nginx.old")
}

// sourceBadBuild: the old version serves again, and is back on disk, although
// the daemon may write nowhere below /home itself.
func (m *machine) sourceBadBuild() {
	before := m.found()
	load := m.startLoad()
	badnginx.InBox(m.t, m.Box, sourceBinary, badnginx.CrashAtStart, '9')
	bad := m.sha256(sourceBinary)
	m.exits(supervisor.ExitRolledBack, "nginx-hotswap upgrade source")
	after := m.cycleAfter(lastID(before))
	load.lossless()
	m.oneMaster(after)
	rec := m.record(after.Last.ID)
	if rec.Result != supervisor.RolledBack || !strings.Contains(rec.Reason, "SIGABRT") || after.MainPID != before.MainPID {
		m.t.Errorf("%+v, %+v", rec, after)
	}
	if disk := m.sha256(sourceBinary); disk == bad || disk != before.Running.SHA256 {
		m.t.Errorf("on disk is %s", disk)
	}
	m.tells(rec.ID, supervisor.EventRestored)
	m.exits(supervisor.ExitRolledBack, "nginx-hotswap upgrade source")

	// One that answers wrongly takes more than its start.
	load = m.startLoad("kind=new,url=http://127.0.0.1:8080/,clients=2")
	badnginx.InBox(m.t, m.Box, sourceBinary, badnginx.Answer500, '8')
	m.exits(supervisor.ExitRolledBack, "nginx-hotswap upgrade source")
	again := m.cycleAfter(lastID(after))
	load.stop()
	m.oneMaster(again)
	m.says(m.record(again.Last.ID).Reason, "500")
}

func (m *machine) sourceRollback() {
	first := m.found()
	version := next(first)
	m.NewerNginx(m.t, sourceBinary, version)
	m.exits(supervisor.ExitOK, "nginx-hotswap upgrade --wait=done")
	newer := m.sourceUpgraded(first, version)
	load := m.startLoad()
	m.exits(supervisor.ExitOK, "nginx-hotswap rollback source")
	back := m.sourceUpgraded(newer, first.Running.Version)
	m.exits(supervisor.ExitOK, "nginx-hotswap rollback --pid-file="+sourcePIDFile+" --to="+version)
	m.sourceUpgraded(back, version)
	load.lossless()
}

func (m *machine) sourceHistory() {
	lines := strings.Split(m.sh("nginx-hotswap history"), "\n")
	all := m.records()
	if len(lines) != len(all)+1 || len(all) < 8 {
		m.t.Errorf("%d lines for %d records: %q", len(lines), len(all), lines)
	}
	counts := map[supervisor.Result]int{}
	for _, r := range all {
		counts[r.Result]++
		if r.Instance != "source" {
			m.t.Errorf("%+v", r)
		}
	}
	if counts[supervisor.RolledBack] != 2 || counts[supervisor.Upgraded] != len(all)-2 {
		m.t.Errorf("%v", counts)
	}
	m.says(m.sh("nginx-hotswap history "+all[0].ID), "upgraded", "starting", "soaking", "retiring")
}

// sourceStopStart: a master that a person stops and starts again is found within
// seconds, however long it was away, and by whatever way it went.
func (m *machine) sourceStopStart() {
	m.stopByHand()
	m.eventually("the daemon says so", func() bool { return m.status().MainPID == 0 })
	m.sh("sleep 17") // as above
	m.byHand(sourceStart)
	for _, way := range []string{"-INT", "-KILL"} {
		before := m.found()
		m.sh(fmt.Sprintf(`old=%d; workers=$(cat /proc/$old/task/$old/children); kill %s $old; [ %[2]s = -INT ] || kill -KILL $workers
			for pid in $old $workers; do timeout 20 tail --pid=$pid -f /dev/null; done; rm -f /run/site.sock`, before.MainPID, way))
		if s := m.byHand(sourceStart); s.MainPID == before.MainPID {
			m.t.Errorf("after %s: %+v", way, s)
		}
	}
	before := m.found()
	version := next(before)
	m.NewerNginx(m.t, sourceBinary, version)
	m.sourceUpgraded(before, version)
}

// sourcePIDFileVanishes: without the file nothing is tried, and with it all goes
// on.
func (m *machine) sourcePIDFileVanishes() {
	before := m.found()
	version := next(before)
	load := m.startLoad()
	m.sh("mv " + sourcePIDFile + " /root/nginx.pid")
	m.NewerNginx(m.t, sourceBinary, version)
	m.says(m.exits(supervisor.ExitRejected, "nginx-hotswap upgrade source"), "pid file", "restore it: echo")
	if s := m.status(); s.MainPID != before.MainPID {
		m.t.Errorf("%+v", s)
	}
	m.sh("systemctl restart nginx-hotswap") // it comes to a master that nothing names
	m.eventually("it is not running, as far as we know", func() bool { return m.status().MainPID == 0 })
	m.sh("mv /root/nginx.pid " + sourcePIDFile)
	began := time.Now()
	m.found()
	m.t.Logf("found again after %v", time.Since(began).Round(100*time.Millisecond))
	m.exits(supervisor.ExitOK, "nginx-hotswap upgrade --wait=done source")
	m.oneMaster(m.found())
	load.lossless()
	if s := m.status(); s.Running.Version != version {
		m.t.Errorf("%+v", s)
	}
}
