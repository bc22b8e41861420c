//go:build box

package packages

import (
	"testing"
	"time"
)

const (
	// aptUnit has a control group of its own, in which all of apt can be killed.
	aptUnit = "apt-run.service"
	// invoker is found before the real one, by which nginx-common restarts nginx.
	invoker = "/usr/local/bin/deb-systemd-invoke"
	// stopLimit is how long an administrator may be kept from stopping nginx: some
	// seconds, and whatever a busy machine makes of them.
	stopLimit = 30 * time.Second
)

// aptUntilHeld starts apt in a unit, which gets as far as the postinst of
// nginx-common: the restart is held off and never asked for.
func (m *machine) aptUntilHeld() {
	m.t.Helper()
	m.repository(m.good())
	m.sh("printf '#!/bin/sh\\nexec sleep 300\\n' >" + invoker + "; chmod 755 " + invoker + `
		systemd-run -q --unit=` + aptUnit + " --setenv=DEBIAN_FRONTEND=noninteractive " + aptNginx)
	m.eventually("the unit refuses to be stopped", func() bool { return m.property("RefuseManualStop") == "yes" })
}

// killApt ends all of apt at once.
func (m *machine) killApt() {
	m.t.Helper()
	m.sh("echo 1 >/sys/fs/cgroup/system.slice/" + aptUnit + "/cgroup.kill; rm " + invoker)
}

// stoppable asserts that an administrator can stop nginx soon, and starts it again.
func (m *machine) stoppable(when string) {
	m.t.Helper()
	start := time.Now()
	m.eventually("nginx can be stopped", func() bool {
		_, exit := m.try("systemctl stop nginx")
		return exit == 0
	})
	took := time.Since(start)
	m.t.Logf("%s: systemctl stop nginx took %v", when, took)
	if took > stopLimit {
		m.t.Errorf("%s: systemctl stop nginx took %v", when, took)
	}
	m.sh("systemctl start nginx")
}

// repair ends what apt was not allowed to.
func (m *machine) repair() {
	m.t.Helper()
	if out, exit := m.try("dpkg --configure -a"); exit != 0 {
		m.t.Errorf("dpkg --configure -a: %d\n%s", exit, out)
	}
	m.sh("systemctl reset-failed " + aptUnit + " 2>/dev/null || true")
	m.idle()
	m.released()
}

func TestBoxKilledInHeldRestart(t *testing.T) {
	m := boot(t, "bookworm")
	m.installOurs(soonConfig)

	m.aptUntilHeld()
	m.killApt()
	m.stoppable("apt killed")
	m.repair()

	m.aptUntilHeld()
	m.sh("systemctl kill -s KILL nginx-hotswap")
	m.killApt()
	m.stoppable("apt and the daemon killed")
	m.eventually("the daemon is back", func() bool { _, exit := m.try("systemctl is-active nginx-hotswap"); return exit == 0 })
	m.repair()

	m.aptUntilHeld()
	m.sh("systemctl stop nginx-hotswap")
	m.killApt()
	m.stoppable("apt killed and the daemon stopped")
}

// What an administrator does works as always with our package installed.
func TestBoxAdministrator(t *testing.T) {
	m := boot(t, "bookworm")
	m.installOurs(soonConfig)
	before := m.mainPID()
	m.sh("systemctl restart nginx")
	m.eventually("systemctl restart nginx has done something", func() bool { pid := m.mainPID(); return pid != 0 && pid != before })
	m.stoppable("nothing under way")
	m.eventually("the daemon has attached", func() bool { return m.status().MainPID == m.mainPID() })

	// Whoever stops the daemon wants what nginx's own packages do.
	m.sh("systemctl stop nginx-hotswap")
	m.NewerNginx(t, "/usr/sbin/nginx", "1.22.8")
	r := m.underAlone("init script without the daemon", "/etc/init.d/nginx upgrade")
	if r.exit != 0 || r.before == r.after || len(r.cycles) != 0 {
		t.Errorf("%s: status %d, MainPID %d->%d, cycles %s\n%s", r.scenario, r.exit, r.before, r.after, results(r.cycles), r.output)
	}
	m.released()
	m.sh("systemctl start nginx-hotswap")
	m.idle()

	if out, exit := m.try("apt-get -q -y remove nginx nginx-common"); exit != 0 {
		t.Errorf("apt-get remove nginx: %d\n%s", exit, out)
	}
	if m.sh("systemctl is-active nginx || true") == "active" || m.sh("grep -alE '^nginx: master' /proc/[0-9]*/cmdline || true") != "" {
		t.Error("nginx runs after its removal")
	}
	if got := m.states("nginx-hotswap"); got != "ii" {
		t.Errorf("nginx-hotswap is %s", got)
	}
}
