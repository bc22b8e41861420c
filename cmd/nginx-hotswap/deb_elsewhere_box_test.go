//go:build box

package main

import (
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

const (
	needrestartHook = "/etc/needrestart/restart.d/nginx.service"
	initUpgrade     = "/etc/init.d/nginx upgrade"
	unitsConfig     = "/etc/nginx-hotswap/nginx-hotswap.conf.d/units.conf"
)

// asWithoutUs makes sure that our hooks do what would happen without them.
func (m *machine) asWithoutUs(when string) {
	m.t.Helper()
	cycles := len(m.records())
	for _, hook := range []string{needrestartHook, initUpgrade, "DPKG_MAINTSCRIPT_PACKAGE=nginx " + initUpgrade} {
		before := m.mainPID()
		if exit, out := m.try(hook); exit != 0 {
			m.t.Errorf("%s: %s: exit status %d\n%s", when, hook, exit, out)
		}
		m.eventually(when+": "+hook+" has done its work", func() bool {
			now := m.mainPID()
			exit, _ := m.try("test -e /run/nginx.pid.oldbin")
			return now != before && now != 0 && exit != 0
		})
	}
	if now := m.records(); len(now) != cycles {
		m.t.Errorf("%s: we have upgraded: %+v", when, now[len(now)-1])
	}
}

// Where nobody of us is to act, or cannot, our hooks stand in nobody's way.
func TestBoxDebHooksElsewhere(t *testing.T) {
	m := packaged(t, quietConfig)
	m.sh("systemctl stop nginx-hotswap")
	m.asWithoutUs("the daemon is stopped")
	m.sh("systemctl mask nginx-hotswap")
	m.asWithoutUs("the daemon is masked")
	m.sh("systemctl unmask nginx-hotswap")

	m.write(unitsConfig, "[Supervisor]\nUnits=\nUnits=nginx@*.service\n")
	m.sh("systemctl start nginx-hotswap")
	m.asWithoutUs("nginx.service is not ours")

	// The same unit by another name is ours.
	m.write("/etc/nginx-hotswap/instance.d/web.conf", "[Instance]\nName=web\nUnit=nginx.service\n")
	m.sh("systemctl restart nginx-hotswap")
	m.eventually("it is attached to", func() bool { return m.status().MainPID == m.mainPID() })
	m.install(nextVersion(m.status().Running.Version, 0))
	m.sh(needrestartHook)
	m.cycleAfter("")
	if last := m.lastCycle(); last.Instance != "web" || last.Result != supervisor.Upgraded || last.Origin != supervisor.OriginNeedrestart {
		t.Errorf("an instance of another name: %+v", last)
	}
}

// A daemon that is killed comes back by itself: then the hooks act.
func TestBoxDebHooksKilled(t *testing.T) {
	m := packaged(t, quietConfig)
	m.install(nextVersion(m.status().Running.Version, 0))
	// Not before the hook has met with it.
	m.write("/etc/systemd/system/nginx-hotswap.service.d/restart.conf", "[Service]\nRestartSec=10s\n")
	m.sh("systemctl daemon-reload; systemctl kill -s KILL nginx-hotswap; " + awaitRestart + initUpgrade)
	m.cycleAfter("")
	if last := m.lastCycle(); last.Result != supervisor.Upgraded || last.Origin != supervisor.OriginInitscript {
		t.Errorf("%+v", last)
	}
}

// A master that ignores USR2 is restarted, as it would be without us.
func TestBoxDebForeground(t *testing.T) {
	m := packaged(t, quietConfig+"PackageResult=fail\n")
	m.write("/etc/systemd/system/nginx.service.d/foreground.conf", "[Service]\nType=simple\nPIDFile=\nExecStart=\nExecStart=/usr/sbin/nginx -g 'daemon off; master_process on;'\n")
	m.sh("systemctl daemon-reload; systemctl restart nginx")
	attached := func() bool { s := m.status(); return s.MainPID != 0 && s.MainPID == m.mainPID() }
	m.eventually("it is attached to", attached)
	version := nextVersion(m.status().Running.Version, 0)
	m.install(version)
	if out := m.sh(needrestartHook); !strings.Contains(out, "daemon off") {
		t.Errorf("nobody is told why nginx was restarted: %s", out)
	}
	m.eventually("the new version runs", func() bool { return attached() && m.status().Running.Version == version })

	later := nextVersion(version, 1)
	m.NewerNginx(t, "/root/later", later)
	m.sh("dpkg -i " + m.nginxPackage("1", "/root/later") + " 2>&1")
	m.packageIs("installed")
	if exit, out := m.try("DPKG_MAINTSCRIPT_PACKAGE=nginx " + initUpgrade); exit == 0 {
		t.Errorf("nginx's postinst is told that the new version runs:\n%s", out)
	}
	m.sh("dpkg -i " + m.scripted("nginx-common-like", "#!/bin/sh\nset -e\nif [ \"$1\" = configure ]; then\nsystemctl daemon-reload\ndeb-systemd-invoke restart 'nginx.service'\nfi\n"))
	m.eventually("the restart by the package was let happen", func() bool { return attached() && m.status().Running.Version == later })
}
