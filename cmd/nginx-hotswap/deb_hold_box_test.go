//go:build box

package main

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// scripted makes a package that consists of its postinst.
func (m *machine) scripted(name, postinst string) string {
	m.t.Helper()
	dir := "/root/" + name
	m.write(dir+"/DEBIAN/control", fmt.Sprintf("Package: %s\nVersion: 1\nArchitecture: all\n"+
		"Maintainer: none <none@example.org>\nDescription: a script\n", name))
	m.write(dir+"/DEBIAN/postinst", postinst)
	m.sh(fmt.Sprintf("chmod 755 %s/DEBIAN/postinst; dpkg-deb -b %s %s.deb", dir, dir, dir))
	return dir + ".deb"
}

// restarting is what the generator looks for; the scripts of the test end before.
const restarting = "exit 0\ndeb-systemd-invoke restart 'nginx.service'\n"

// heldNow says whether the restart of nginx is held off.
func (m *machine) heldNow() bool {
	m.t.Helper()
	exit, _ := m.try("test -e " + filepath.Join(generatorOutput, "nginx.service.d", holdName))
	return exit == 0
}

// A script of dpkg's is one however it was begun, and nothing else is.
func TestBoxDebHold(t *testing.T) {
	m := packaged(t, quietConfig)
	plain := m.scripted("nginx-plain", "#!/bin/sh\nsystemctl daemon-reload\ntest -e "+generatorOutput+"/nginx.service.d/"+holdName+" && touch /root/held\n"+restarting)
	asking := m.scripted("nginx-asking", "#!/bin/sh\n. /usr/share/debconf/confmodule\nsystemctl daemon-reload >/dev/null\ntest -e "+
		generatorOutput+"/nginx.service.d/"+holdName+" && touch /root/held\n"+restarting)
	for name, do := range map[string]string{
		"dpkg":             "dpkg -i " + plain,
		"apt":              "dpkg -P nginx-plain; apt-get -q -y install " + plain,
		"debconf":          "dpkg -i " + asking,
		"dpkg --configure": "dpkg --unpack " + plain + "; dpkg --configure -a",
	} {
		m.eventually("the holds of before are lifted", func() bool { return !m.heldNow() })
		if exit, out := m.try("rm -f /root/held; export DEBIAN_FRONTEND=noninteractive; (" + do + ") 2>&1; test -e /root/held"); exit != 0 {
			t.Errorf("%s: nothing is held off:\n%s", name, out)
		}
	}
	m.eventually("the holds are lifted", func() bool { return !m.heldNow() })

	slow := m.scripted("nginx-slow", "#!/bin/sh\ntouch /root/slow\nexec sleep 300\n")
	m.sh("systemd-run -q --unit=slow dpkg -i " + slow)
	m.eventually("the script runs", func() bool { exit, _ := m.try("test -e /root/slow"); return exit == 0 })
	const fake = "env -i DPKG_MAINTSCRIPT_PACKAGE=nginx-plain DPKG_MAINTSCRIPT_NAME=postinst /usr/bin/sleep 300"
	m.sh("systemd-run -q --unit=fake-root " + fake + "; systemd-run -q --unit=fake-user --uid=65534 " + fake)
	m.eventually("both have the environment of a script", func() bool {
		return m.sh("grep -ls DPKG_MAINTSCRIPT_PACKAGE=nginx-plain /proc/[0-9]*/environ | wc -l") == "2"
	})
	if m.sh("systemctl daemon-reload"); m.heldNow() {
		t.Error("a process with the environment of a script keeps nginx from being stopped")
	}
	m.sh("systemctl stop slow fake-root fake-user; systemctl restart nginx; dpkg -P --force-all nginx-slow")
}

// A script that hangs keeps nobody from stopping nginx for long.
func TestBoxDebHoldHangs(t *testing.T) {
	m := packaged(t, quietConfig)
	hanging := m.scripted("nginx-hanging", "#!/bin/sh\nsystemctl daemon-reload\nsleep 300\n"+restarting)
	m.sh("systemd-run -q --unit=hanging dpkg -i " + hanging)
	m.eventually("the restart is held off", m.heldNow)
	start := time.Now()
	m.eventually("nginx can be stopped", func() bool {
		exit, _ := m.try("systemctl stop nginx")
		return exit == 0 && !m.heldNow()
	})
	m.eventually("nothing is held off and no unit read anew any more", func() bool {
		const reloads = "journalctl --sync; journalctl -b -o cat _PID=1 | grep -c '^Reloading'"
		before := m.sh(reloads)
		time.Sleep(2 * holdLasts)
		return m.sh(reloads) == before && !m.heldNow()
	})
	t.Logf("the holds of a script that hangs ended after %v", time.Since(start))
	if exit, _ := m.try("systemctl is-active hanging"); exit != 0 {
		t.Error("the script has ended: this proves nothing")
	}
	m.sh("systemctl stop hanging; systemctl start nginx")
	m.eventually("the daemon has attached", func() bool {
		s := m.status()
		return s.Phase == supervisor.Idle && s.MainPID != 0 && s.MainPID == m.mainPID()
	})
}
