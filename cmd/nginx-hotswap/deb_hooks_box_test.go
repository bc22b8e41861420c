//go:build box

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// awaitRestart waits until a daemon that has ended is to be started again.
const awaitRestart = "timeout 60 sh -c 'until systemctl show -p SubState nginx-hotswap | grep auto-restart; do sleep 0.05; done'; "

// nginxPackage makes a package that brings a binary in nginx's place, as a
// new version of nginx's own does.
func (m *machine) nginxPackage(version, binary string) string {
	m.t.Helper()
	dir := "/root/nginx-" + version
	m.write(dir+"/DEBIAN/control", fmt.Sprintf("Package: nginx-build\nVersion: %s\nArchitecture: all\nReplaces: nginx, nginx-core\n"+
		"Maintainer: none <none@example.org>\nDescription: a build\n", version))
	m.sh(fmt.Sprintf("install -D -m 755 %s %s/usr/sbin/nginx; dpkg-deb -b %s %s.deb", binary, dir, dir, dir))
	return dir + ".deb"
}

// quietConfig leaves everything to the hooks.
const quietConfig = quickConfig + "[Supervisor]\nAutomatic=no\n"

// packaged starts a machine with the package installed, which looks after
// nginx.
func packaged(t *testing.T, config string) *machine {
	t.Helper()
	m := bare(t)
	m.sh("dpkg -i " + m.deb("0.1.0"))
	m.configure(config)
	return m
}

// try runs a script that may fail and returns its exit status.
func (m *machine) try(script string) (exit int, out string) {
	m.t.Helper()
	out, stderr, exit, err := m.Try(m.t.Context(), script)
	if err != nil {
		m.t.Fatal(err)
	}
	return exit, out + stderr
}

// lastCycle is the newest record.
func (m *machine) lastCycle() (last supervisor.Record) {
	m.t.Helper()
	if all := m.records(); len(all) > 0 {
		last = all[len(all)-1]
	}
	return last
}

// A package that replaces nginx's binary pulls the trigger, and what becomes of
// the new version is what becomes of the package run.
func TestBoxDebTrigger(t *testing.T) {
	m := packaged(t, quietConfig+"PackageResult=fail\n")
	before := m.status()
	good, bad, better := nextVersion(before.Running.Version, 0), nextVersion(before.Running.Version, 1), nextVersion(before.Running.Version, 2)
	m.NewerNginx(t, "/root/good", good)
	m.NewerNginx(t, "/root/better", better)
	badnginx.InBox(t, m.Box, "/root/bad", badnginx.CrashAtStart, bad[len(bad)-1])
	packages := []string{m.nginxPackage("1", "/root/good"), m.nginxPackage("2", "/root/bad"), m.nginxPackage("3", "/root/better")}

	load := m.startLoad()
	m.sh("dpkg -i " + packages[0] + " 2>&1")
	m.packageIs("installed")
	if s, last := m.cycleAfter(""), m.lastCycle(); last.Origin != supervisor.OriginDpkg || s.Running.Version != good {
		t.Errorf("after a good package: %+v, by %s", s, last.Origin)
	}
	for _, do := range []string{"dpkg -i " + packages[1], "dpkg --configure -a"} {
		if exit, out := m.try(do + " 2>&1"); exit == 0 {
			t.Errorf("%s succeeds with a bad build:\n%s", do, out)
		}
		m.packageIs("half-configured")
		if out := m.sh("dpkg-query -W -f '${db:Status-Status}' nginx-build"); out != "installed" {
			t.Errorf("%s: the package of the bad build is %s", do, out)
		}
	}
	m.sh("dpkg -i " + packages[2] + " 2>&1; dpkg --configure -a 2>&1")
	m.packageIs("installed")
	m.eventually("the next build runs", func() bool {
		s := m.status()
		return s.Running.Version == better && s.Phase == supervisor.Idle
	})
	load.lossless()
	m.consistent()
}

// While our own package is being upgraded dpkg runs no trigger of it: what comes
// with it in one run is upgraded all the same, once.
func TestBoxDebTriggerLost(t *testing.T) {
	m := packaged(t, quietConfig)
	load := m.startLoad()
	for i, ours := range []string{m.deb("0.2.0"), m.deb("0.3.0")} {
		before := m.status()
		version := nextVersion(before.Running.Version, i)
		build := fmt.Sprintf("/root/build%d", i)
		m.NewerNginx(t, build, version)
		debs := []string{ours, m.nginxPackage(fmt.Sprint(i+1), build)}
		if i > 0 {
			slices.Reverse(debs) // dpkg unpacks them in this order
		}
		m.sh("dpkg -i " + strings.Join(debs, " ") + " 2>&1")
		m.packageIs("installed")
		after := m.cycleAfter(lastID(before))
		if last := m.lastCycle(); last.Origin != supervisor.OriginDpkg || last.Result != supervisor.Upgraded || after.Running.Version != version {
			t.Errorf("%v: %s by %s, %s runs", debs, last.Result, last.Origin, after.Running.Version)
		}
		if all := m.records(); len(all) != i+1 {
			t.Errorf("%v: %d cycles, not one", debs, len(all)-i)
		}
	}
	load.lossless()
	m.consistent()
}

// A mistake in our configuration is no reason for apt to fail: the daemon does not
// start, systemd tries it again and again, and nginx goes on.
func TestBoxDebBrokenConfig(t *testing.T) {
	m := packaged(t, quietConfig)
	before := m.status()
	m.NewerNginx(t, "/root/build", nextVersion(before.Running.Version, 0))
	build, newer := m.nginxPackage("1", "/root/build"), m.deb("0.2.0")
	const wrong = "/etc/nginx-hotswap/nginx-hotswap.conf.d/wrong.conf"
	m.write(wrong, "[Upgrade]\nSoakSec=soon\n")
	m.sh("systemctl restart nginx-hotswap || true; " + awaitRestart)
	for _, do := range []string{"dpkg -i " + build, "dpkg -i " + newer, "dpkg --configure -a"} {
		if exit, out := m.try(do + " 2>&1"); exit != 0 {
			t.Errorf("%s: exit status %d\n%s", do, exit, out)
		}
		m.packageIs("installed")
	}
	if pid := m.mainPID(); pid != before.MainPID {
		t.Errorf("nginx was touched: master %d, before %d", pid, before.MainPID)
	}
	m.sh("rm " + wrong + "; systemctl restart nginx-hotswap; dpkg-trigger --by-package=nginx-build /usr/sbin/nginx; dpkg --configure -a")
	if after := m.cycleAfter(""); after.Last.Result != supervisor.Upgraded {
		t.Errorf("with the mistake corrected: %+v", after.Last)
	}
}

// packageIs checks the state of our own package.
func (m *machine) packageIs(want string) {
	m.t.Helper()
	if got := m.sh("dpkg-query -W -f '${db:Status-Status}' nginx-hotswap"); got != want {
		m.t.Errorf("our package is %s, not %s", got, want)
	}
}

// hookCase is a script that nginx's packages, needrestart or a person run.
type hookCase struct {
	script string
	origin supervisor.Origin
	bad    int // exit status with a build that crashes
}

var hookCases = []hookCase{
	{"/etc/init.d/nginx upgrade", supervisor.OriginInitscript, supervisor.ExitRolledBack},
	{"service nginx upgrade", supervisor.OriginInitscript, supervisor.ExitRolledBack},
	{"invoke-rc.d nginx upgrade", supervisor.OriginInitscript, supervisor.ExitRolledBack},
	{"DPKG_MAINTSCRIPT_PACKAGE=nginx invoke-rc.d nginx upgrade", supervisor.OriginDpkg, 0},
	{"/etc/needrestart/restart.d/nginx.service", supervisor.OriginNeedrestart, 0},
}

func TestBoxDebHooks(t *testing.T) {
	m := packaged(t, quietConfig)
	load := m.startLoad()
	for i, c := range hookCases {
		before := m.status()
		m.install(nextVersion(before.Running.Version, i))
		after := m.hook(c, 0, before)
		if after.MainPID == before.MainPID || after.Last.Result != supervisor.Upgraded {
			t.Errorf("%s: %+v", c.script, after.Last)
		}
		version := nextVersion(after.Running.Version, i)
		badnginx.InBox(t, m.Box, nginxBinary, badnginx.CrashAtStart, version[len(version)-1])
		if s := m.hook(c, c.bad, after); s.MainPID != after.MainPID || s.Last.Result != supervisor.RolledBack {
			t.Errorf("%s with a bad build: %+v", c.script, s.Last)
		}
	}
	load.lossless()
	m.consistent()
	m.unnoticed()
	m.withoutUs()
}

// hook runs a case's script and waits for the end of its cycle.
func (m *machine) hook(c hookCase, want int, before supervisor.Status) supervisor.Status {
	m.t.Helper()
	m.exits(want, c.script)
	after := m.cycleAfter(lastID(before))
	if last := m.lastCycle(); last.Origin != c.origin {
		m.t.Errorf("%s: the cycle is by %q, want %q", c.script, last.Origin, c.origin)
	}
	return after
}

// unnoticed makes sure that other scripts and actions do not see the hook of
// the init scripts, however strict they are.
func (m *machine) unnoticed() {
	m.t.Helper()
	const source = ". /usr/lib/lsb/init-functions.d/60-nginx-hotswap;"
	const variables = " | grep -v ^PPID="
	for _, as := range []string{"/etc/init.d/nginx start", "/etc/init.d/nginx", "/etc/init.d/nginx upgrades", "/etc/init.d/cron upgrade", "sh"} {
		with := m.sh("sh -euc '" + source + " set' " + as + variables)
		if without := m.sh("sh -euc 'set' " + as + variables); with != without {
			m.t.Errorf("%s: the hook has left something behind: %s", as, cmp.Diff(without, with))
		}
	}
}

// withoutUs makes sure that the init script goes on by itself where the program
// is gone and its hook is not.
func (m *machine) withoutUs() {
	m.t.Helper()
	before := m.mainPID()
	m.sh("systemctl stop nginx-hotswap; rm /usr/sbin/nginx-hotswap; /etc/init.d/nginx upgrade")
	m.eventually("the init script has upgraded", func() bool { return m.mainPID() != before && m.mainPID() != 0 })
}
