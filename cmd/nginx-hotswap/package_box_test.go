//go:build box

package main

import (
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// A package that replaces the binary early and goes on for a while: nothing
// may happen before dpkg is done.
func TestBoxWaitsForPackageTransaction(t *testing.T) {
	m := boot(t, quickConfig)
	before := m.status()
	version := nextVersion(before.Running.Version, 0)
	m.NewerNginx(t, "/root/nginx.new", version)
	m.write("/root/pkg/DEBIAN/control", "Package: slow\nVersion: 1\nArchitecture: all\nMaintainer: none <none@example.org>\nDescription: slow\n")
	if err := m.WriteFile("/root/pkg/DEBIAN/postinst", []byte(`#!/bin/sh
set -e
cp /root/nginx.new /usr/sbin/nginx.dpkg-new
mv /usr/sbin/nginx.dpkg-new /usr/sbin/nginx
# Nothing may happen for longer than the new file has to lie still.
sleep 1
timeout 60 sh -c 'until nginx-hotswap status >/root/during && grep -q "a package transaction runs" /root/during; do sleep 0.1; done'
`), 0o755); err != nil {
		t.Fatal(err)
	}
	load := m.startLoad()
	m.sh("dpkg-deb -b /root/pkg /root/slow.deb >/dev/null; dpkg -i /root/slow.deb 2>&1")
	during := m.sh("cat /root/during")
	after := m.cycleAfter(lastID(before))
	load.lossless()
	m.consistent()
	if !strings.Contains(during, "a package transaction runs (/var/lib/dpkg/lock") || !strings.Contains(during, before.Running.Version) {
		t.Errorf("during the transaction:\n%s", during)
	}
	if after.Last.Result != supervisor.Upgraded || after.Running.Version != version {
		t.Errorf("after it: %+v", after.Last)
	}
	waited := find(m.entries("nginx-hotswap"), supervisor.EventWaiting.ID)
	if waited == nil || !strings.Contains(waited["MESSAGE"], "package transaction") {
		t.Errorf("the journal does not say that it waited: %v", waited)
	}
}

// Ordinary doings beside the binary are no candidates.
func TestBoxOrdinaryDoings(t *testing.T) {
	m := boot(t, quickConfig)
	before := m.status()
	load := m.startLoad("kind=new,url=http://127.0.0.1:8080/,clients=2")
	m.sh(`touch /usr/sbin/nginx.tmp /usr/sbin/other; rm /usr/sbin/nginx.tmp /usr/sbin/other
		chmod 755 /usr/sbin/nginx; touch /usr/sbin/nginx
		cp -p /usr/sbin/nginx /usr/sbin/nginx.same; mv /usr/sbin/nginx.same /usr/sbin/nginx
		systemctl reload nginx; systemctl kill -s USR1 nginx; systemctl daemon-reload
		sleep 2; nginx-hotswap upgrade; systemctl reload nginx-hotswap; systemctl restart nginx-hotswap; sleep 1`)
	load.lossless()
	m.consistent()
	m.eventually("it is attached again", func() bool { return m.status().MainPID != 0 })
	after := m.status()
	if after.MainPID != before.MainPID || after.Last != nil || after.Pending {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

// Stop and start of nginx by an administrator are followed.
func TestBoxFollowsTheUnit(t *testing.T) {
	m := boot(t, quickConfig)
	m.restartable()
	m.sh("systemctl stop nginx")
	m.eventually("nginx is not running", func() bool { return m.status().MainPID == 0 })
	if out := m.sh("nginx-hotswap upgrade || echo code $?; nginx-hotswap upgrade --if-running && echo fine"); !strings.Contains(out, "code 7") || !strings.Contains(out, "fine") {
		t.Errorf("upgrade of a stopped nginx: %s", out)
	}
	m.sh("systemctl start nginx")
	m.eventually("it is attached again", func() bool { return m.status().MainPID == m.mainPID() })
	// A crash of the master, and what Restart= makes of it, is nginx's and
	// systemd's matter.
	m.write("/etc/systemd/system/nginx.service.d/restart.conf", "[Service]\nRestart=always\nRestartSec=100ms\n")
	m.sh("systemctl daemon-reload; systemctl kill -s KILL --kill-whom=main nginx 2>/dev/null || systemctl kill -s KILL --kill-who=main nginx")
	m.eventually("it is attached to the new one", func() bool {
		s := m.status()
		return s.MainPID != 0 && s.MainPID == m.mainPID() && m.property("NRestarts") == "1"
	})
	if s := m.status(); s.Last != nil {
		t.Errorf("a cycle: %+v", s.Last)
	}
}
