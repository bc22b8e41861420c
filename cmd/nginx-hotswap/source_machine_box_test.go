//go:build box

package main

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// An nginx as `./configure --prefix=/home/nginx && make install` leaves it. The
// binary is Debian's, which has another prefix built in, so it is told.
const (
	sourcePrefix  = "/home/nginx"
	sourceBinary  = sourcePrefix + "/sbin/nginx"
	sourcePIDFile = sourcePrefix + "/logs/nginx.pid"
	sourceArgs    = " -p /home/nginx/ -c conf/nginx.conf"
	sourceStart   = sourceBinary + sourceArgs

	sourceConfig = `user www-data;
worker_processes 2;
pid logs/nginx.pid;
error_log logs/error.log notice;
events { worker_connections 512; }
http {
access_log logs/access.log;
%s
}
`
	// The instance's file is all the configuration that there is. Without the
	// second section a cycle takes more than two minutes.
	sourceInstance = "[Instance]\nPIDFile=" + sourcePIDFile + "\n"
	sourceQuick    = "[Upgrade]\nSoakSec=500ms\nKeepOldSec=0\n"
)

// bootSource starts a machine that has no package of nginx and no unit for it,
// with the project installed and the instance configured. Nothing runs yet.
func bootSource(t *testing.T) *machine {
	t.Helper()
	m := &machine{box.Start(t, box.Options{Base: box.Base(t)}), t}
	m.Build(t, "./contrib/traffic/cmd/traffic")
	m.Box.Install(t)
	m.site()
	m.sh(`systemctl disable --now nginx 2>&1
		rm -f /lib/systemd/system/nginx.service /etc/systemd/system/nginx.service /etc/init.d/nginx
		systemctl daemon-reload; ! systemctl cat nginx 2>&1`)
	return m
}

// makeInstall builds the tree below the prefix.
func (m *machine) makeInstall() {
	m.t.Helper()
	m.sh("mkdir -p /home/nginx/sbin /home/nginx/conf /home/nginx/logs; cp /usr/sbin/nginx " + sourceBinary)
	server := fmt.Sprintf(siteConfig, traffic.StreamLocation("/stream", upstreamAt))
	m.write(sourcePrefix+"/conf/nginx.conf", fmt.Sprintf(sourceConfig, traffic.StreamMap+server))
}

// lookAfter makes it an instance of the daemon.
func (m *machine) lookAfter(instance string) {
	m.t.Helper()
	m.write("/etc/nginx-hotswap/instance.d/source.conf", instance)
	m.sh("systemctl enable nginx-hotswap 2>&1; systemctl restart nginx-hotswap")
}

// byHand starts nginx as a person does, and waits until the daemon has found it.
func (m *machine) byHand(start string) supervisor.Status {
	m.t.Helper()
	m.sh(start)
	return m.found()
}

// found waits until the daemon looks after the master that the pid file names.
// There is no event for a pid file in a directory that we do not see, and then
// we look once a minute; here it has to be faster than the 14 seconds that are
// left of a pause when a test has slept for 17.
func (m *machine) found() (s supervisor.Status) {
	m.t.Helper()
	pid := m.sourcePID()
	m.eventuallyIn(12*time.Second, "the daemon has found the master", func() bool {
		s = m.status()
		return s.MainPID == pid && s.Running.SHA256 != ""
	})
	return s
}

// sourcePID waits until the pid file names a process.
func (m *machine) sourcePID() (pid int) {
	m.t.Helper()
	m.eventually("the pid file names a process", func() bool {
		var err error
		pid, err = strconv.Atoi(m.sh("cat " + sourcePIDFile + " 2>/dev/null || true"))
		return err == nil
	})
	return pid
}

// stopByHand ends nginx and returns when it is gone.
func (m *machine) stopByHand() {
	m.t.Helper()
	pid := m.sourcePID()
	m.sh(fmt.Sprintf("kill -QUIT %d; timeout 20 tail --pid=%[1]d -f /dev/null; ! test -e %s", pid, sourcePIDFile))
}

// sourceUpgraded waits for the cycle after a given state and checks its end.
func (m *machine) sourceUpgraded(before supervisor.Status, version string) supervisor.Status {
	m.t.Helper()
	after := m.cycleAfter(lastID(before))
	if after.Last.Result != supervisor.Upgraded || after.Running.Version != version || after.MainPID == before.MainPID || after.Pending {
		m.t.Errorf("wanted %s, got %+v, last %+v", version, after, after.Last)
	}
	m.oneMaster(after)
	return after
}

// oneMaster checks that pid file, process table and disk agree, that no unit is
// involved, and that nothing was left behind.
func (m *machine) oneMaster(s supervisor.Status) {
	m.t.Helper()
	m.hasMasters(1)
	got := m.sh("cat " + sourcePIDFile + `; ls -A /home/nginx/logs /home/nginx/sbin /run | grep -E 'oldbin|nginx-hotswap-|\.nginx-hotswap' || true`)
	if want := strconv.Itoa(s.MainPID); got != want {
		m.t.Errorf("pid file, leftovers: got %q, want %q", got, want)
	}
	if s.Unit != "" {
		m.t.Errorf("it belongs to %s", s.Unit)
	}
	if disk, runs := m.sha256(s.Running.Path), m.sha256(fmt.Sprintf("/proc/%d/exe", s.MainPID)); disk != runs || disk != s.Running.SHA256 {
		m.t.Errorf("on disk is %s, %s runs, status says %s", disk, runs, s.Running.SHA256)
	}
}

// next is a version other than the one that runs.
func next(s supervisor.Status) string { return nextVersion(s.Running.Version, 0) }

// says fails the test unless a text has all the words.
func (m *machine) says(text string, words ...string) {
	m.t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			m.t.Errorf("it says %q, which lacks %q", text, w)
		}
	}
}
