//go:build box

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// sourceWay is a way to lay out an installation, to start it, and to bring
// another build.
type sourceWay struct {
	name   string
	before string // lays it out, starting from the plain one
	start  string
	land   string // the file that gets the new build
	then   string // what makes it the one that the master's path leads to
	asked  bool   // no event tells: somebody asks for the upgrade
	after  string
	path   string // what USR2 executes
}

var sourceWays = []sourceWay{
	{name: "relative", start: "cd /home/nginx && sbin/nginx" + sourceArgs, land: sourceBinary, path: sourceBinary},
	{name: "scope", start: "systemd-run -q --scope --unit=shell " + sourceStart, land: sourceBinary, path: sourceBinary},
	{name: "alternatives",
		before: `mkdir -p /opt/one/sbin; cp /usr/sbin/nginx /opt/one/sbin/; ln -s /opt/one/sbin/nginx /etc/alternatives/nginx
			ln -s /etc/alternatives/nginx /usr/local/sbin/nginx`,
		start: "/usr/local/sbin/nginx" + sourceArgs, land: "/opt/two/sbin/nginx",
		then: "ln -s /opt/two/sbin/nginx /etc/alternatives/nginx.tmp; mv -T /etc/alternatives/nginx.tmp /etc/alternatives/nginx",
		path: "/usr/local/sbin/nginx"},
	{name: "versioned directory",
		before: "cd /home/nginx; mkdir -p releases/one; cp -r sbin releases/one/; ln -s releases/one current",
		start:  "/home/nginx/current/sbin/nginx" + sourceArgs, land: "/home/nginx/releases/two/sbin/nginx",
		then: "cd /home/nginx; ln -s releases/two current.tmp; mv -T current.tmp current", path: "/home/nginx/current/sbin/nginx"},
	{name: "bind mount of the directory",
		before: "mkdir -p /opt/bound; cp /usr/sbin/nginx /opt/bound/; mount --bind /opt/bound /home/nginx/sbin",
		start:  sourceStart, land: "/opt/bound/nginx", after: "umount -l /home/nginx/sbin", path: sourceBinary},
	{name: "bind mount of the file", start: sourceStart, land: "/opt/file/nginx", asked: true,
		then: "mount --bind /opt/file/nginx " + sourceBinary, after: "umount -l " + sourceBinary, path: sourceBinary},
}

// Wherever the binary is and however the master was started: a new build is
// found, swapped to, and gone back from.
func TestBoxSourceWays(t *testing.T) {
	m := bootSource(t)
	m.makeInstall()
	m.lookAfter(sourceInstance + sourceQuick)
	for i, w := range sourceWays {
		t.Run(w.name, func(t *testing.T) { m.in(t).goesThe(w, '9'-byte(i)) })
	}
}

func (m *machine) goesThe(w sourceWay, bad byte) {
	m.makeInstall()
	m.sh(w.before)
	before := m.byHand(w.start)
	if before.Running.Path != w.path {
		m.t.Errorf("its path is %s", before.Running.Path)
	}
	load := m.startLoad()
	version := next(before)
	m.NewerNginx(m.t, w.land, version)
	m.sh(w.then)
	if w.asked {
		m.exits(supervisor.ExitOK, "nginx-hotswap upgrade --wait=done source")
	}
	after := m.sourceUpgraded(before, version)
	m.goesBackFrom(w, after, bad)
	load.lossless()
	m.stopByHand()
	m.sh(w.after)
}

// goesBackFrom brings a bad build, one that is not in quarantine yet, in the same
// place. The kept one takes its place, where that is possible.
func (m *machine) goesBackFrom(w sourceWay, before supervisor.Status, digit byte) {
	badnginx.InBox(m.t, m.Box, w.land, badnginx.CrashAtStart, digit)
	if w.asked { // a file that was bound stays, whatever gets its name
		m.sh("umount -l " + sourceBinary + "; " + w.then)
	}
	m.exits(supervisor.ExitRolledBack, "nginx-hotswap upgrade source")
	after := m.cycleAfter(lastID(before))
	if after.Last.Result != supervisor.RolledBack || after.MainPID != before.MainPID {
		m.t.Errorf("%+v, last %+v", after, after.Last)
	}
	if w.asked {
		m.says(m.tells(after.Last.ID, supervisor.EventMismatch), "cannot exchange", "nginx-hotswap rollback")
		return
	}
	m.tells(after.Last.ID, supervisor.EventRestored)
	m.oneMaster(after)
}

// Without a daemon a command does it, and needs no configuration.
func TestBoxSourceWithoutDaemon(t *testing.T) {
	m := bootSource(t)
	m.makeInstall()
	m.sh(sourceStart)
	m.write("/etc/nginx-hotswap/nginx-hotswap.conf.d/test.conf", sourceQuick)
	version := func() string { return m.sh(fmt.Sprintf("/proc/%d/exe -v 2>&1 | sed 's|.*/||'", m.sourcePID())) }
	first := version()
	newer := nextVersion(first, 0)
	load := m.startLoad()
	m.NewerNginx(t, sourceBinary, newer)
	const upgrade, rollback = "nginx-hotswap upgrade --pid-file=" + sourcePIDFile, "nginx-hotswap rollback --pid-file=" + sourcePIDFile
	m.says(m.exits(supervisor.ExitOK, upgrade+" --dry-run"), "would upgrade "+first)
	for _, step := range []struct {
		command, version string
	}{{upgrade, newer}, {rollback, first}, {rollback + " --to=" + newer, newer}} {
		m.says(m.exits(supervisor.ExitOK, step.command), "upgraded")
		if got := version(); got != step.version {
			t.Errorf("after %s: %s runs", step.command, got)
		}
	}
	good := m.sha256(sourceBinary)
	badnginx.InBox(t, m.Box, sourceBinary, badnginx.CrashAtStart, '9')
	m.says(m.exits(supervisor.ExitRolledBack, upgrade), "SIGABRT")
	if got := m.sha256(sourceBinary); got != good {
		t.Errorf("on disk is %s", got)
	}
	load.lossless()
	if got := m.sh("nginx-hotswap history | awk '{ print $4 }' | sort -u"); !strings.Contains(got, "home-nginx-logs-nginx.pid") {
		t.Errorf("the instance is named %s", got)
	}
	if got := m.sh("systemctl is-active nginx-hotswap || true"); got != "inactive" {
		t.Errorf("the daemon is %s", got)
	}
	m.hasMasters(1)
}

// Whoever owns the binary, or a directory above it, decides what root runs. That
// is refused until the owner is named.
func TestBoxSourceTrustedOwner(t *testing.T) {
	m := bootSource(t)
	m.makeInstall()
	m.sh("useradd -U -d /home/nginx -s /bin/sh builder; chown builder: /home/nginx/sbin/nginx")
	m.lookAfter(sourceInstance + sourceQuick)
	m.sh(sourceStart)
	m.sourcePID()
	m.says(m.exits(supervisor.ExitRejected, "nginx-hotswap upgrade source"), sourceBinary+" belongs to uid", "TrustedOwner=")
	m.sh("chown root: " + sourceBinary) // the remedy that it names
	m.says(m.exits(supervisor.ExitOK, "nginx-hotswap upgrade source"), "already current")
	before := m.found()
	load := m.startLoad()
	for _, owned := range []string{sourceBinary, "/home/nginx/sbin", "/home/nginx"} {
		m.sh("chown -R root: /home/nginx/sbin /home/nginx")
		m.NewerNginx(t, sourceBinary, next(before))
		m.sh("chown builder: " + owned)
		m.says(m.exits(supervisor.ExitRejected, "nginx-hotswap upgrade source"), owned+" belongs to uid", "TrustedOwner=")
	}
	m.sh("chown -R builder: /home/nginx; chmod 750 /home/nginx/sbin; chmod 711 /home/nginx")
	refused := m.status()
	if refused.MainPID != before.MainPID || !refused.Pending {
		t.Errorf("%+v", refused)
	}
	m.lookAfter(sourceInstance + "TrustedOwner=nobody\n" + sourceQuick)
	m.found()
	m.says(m.exits(supervisor.ExitRejected, "nginx-hotswap upgrade source"), "belongs to uid")
	refused = m.status()
	m.lookAfter(sourceInstance + "TrustedOwner=builder\n" + sourceQuick)
	m.found()
	m.exits(supervisor.ExitOK, "nginx-hotswap upgrade --wait=done source")
	after := m.sourceUpgraded(refused, next(before))
	// The user installs one more, which is upgraded by itself, and a bad one.
	version := next(after)
	m.NewerNginx(t, "/root/objs/nginx", version)
	m.sh("su builder -c 'cat >/home/nginx/sbin/nginx.new && chmod 755 /home/nginx/sbin/nginx.new && mv /home/nginx/sbin/nginx.new /home/nginx/sbin/nginx' </root/objs/nginx")
	after = m.sourceUpgraded(after, version)
	badnginx.InBox(t, m.Box, "/root/objs/nginx", badnginx.CrashAtStart, '9')
	m.sh("su builder -c 'cp /dev/stdin /home/nginx/sbin/nginx.new && chmod 755 /home/nginx/sbin/nginx.new && mv /home/nginx/sbin/nginx.new /home/nginx/sbin/nginx' </root/objs/nginx")
	m.exits(supervisor.ExitRolledBack, "nginx-hotswap upgrade source")
	m.oneMaster(m.cycleAfter(lastID(after)))
	load.lossless()
	if got := m.sh("stat -c '%U %a' /home/nginx/sbin/nginx"); got != "builder 755" {
		t.Errorf("the binary that was put back is %s", got)
	}
}
