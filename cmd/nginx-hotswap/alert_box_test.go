//go:build box

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

const alertUnit = "nginx-hotswap-alert@nginx.service"

// Whoever looks at failed units sees a build that does not run, until a good one
// does or somebody knows; a rollback that a person wanted is no news.
func TestBoxAlert(t *testing.T) {
	m := boot(t, quickConfig)
	failed := func() bool { return strings.Contains(m.sh("systemctl --failed --no-legend --plain"), alertUnit) }
	bad := func(digit byte) {
		before := m.status()
		badnginx.InBox(m.t, m.Box, nginxBinary, badnginx.CrashAtStart, digit)
		m.cycleAfter(lastID(before))
	}
	if failed() {
		t.Error("it is failed at the beginning")
	}
	bad('8')
	m.eventually("the alert is there", failed)
	if log := m.sh("journalctl --sync; journalctl -u " + alertUnit + " --no-pager"); !strings.Contains(log, "SIGABRT") || !strings.Contains(log, "stands in for") {
		t.Errorf("its log does not say why:\n%s", log)
	}
	m.sh("systemctl restart nginx-hotswap && systemctl reset-failed " + alertUnit)
	m.sh("systemctl restart nginx-hotswap")
	m.eventually("a new daemon shows it again", failed)
	m.eventually("it has attached", func() bool { return m.status().MainPID != 0 })
	before := m.status()
	m.install(nextVersion(before.Running.Version, 1))
	m.cycleAfter(lastID(before))
	m.eventually("a good build ends it", func() bool { return !failed() })
	bad('7')
	m.eventually("the alert is there again", failed)
	if out := m.sh("nginx-hotswap confirm nginx"); !strings.Contains(out, "acknowledged") {
		t.Errorf("confirm says %s", out)
	}
	m.eventually("it is acknowledged", func() bool { return !failed() })
	known := m.status()
	m.alertsWithoutDaemon(failed)
	m.sh("nginx-hotswap rollback nginx --to=" + before.Running.Version)
	if st := m.cycleAfter(lastID(known)); st.Last.Result != supervisor.Upgraded || st.Alert != "" || failed() {
		t.Errorf("after a person's rollback: %+v", st)
	}
}

// alertsWithoutDaemon has a command do what the daemon does otherwise.
func (m *machine) alertsWithoutDaemon(failed func() bool) {
	m.t.Helper()
	before := m.status()
	m.write("/etc/systemd/system/told.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'cat /run/nginx-hotswap/result/nginx.env >>/srv/told'\n")
	m.write("/etc/nginx-hotswap/nginx-hotswap.conf.d/told.conf", "[Supervisor]\nOnResultUnit=told.service\n")
	m.sh("systemctl daemon-reload; systemctl stop nginx-hotswap")
	badnginx.InBox(m.t, m.Box, nginxBinary, badnginx.CrashAtStart, '6')
	m.exits(supervisor.ExitRolledBack, "nginx-hotswap upgrade nginx")
	m.eventually("a command raises the alert, too", failed)
	const left = "/etc/nginx-hotswap/nginx-hotswap.conf.d/left.conf"
	m.write(left, "[Upgrade]\nOnBadBinary=leave\n")
	badnginx.InBox(m.t, m.Box, nginxBinary, badnginx.CrashAtStart, '5')
	m.exits(supervisor.ExitRolledBack, "nginx-hotswap upgrade nginx")
	m.sh("rm " + left)
	if log := m.sh("systemctl reset-failed " + alertUnit + "; systemctl start " + alertUnit + " 2>&1 || { journalctl --sync; journalctl -o cat -n 4 --no-pager -u " + alertUnit + "; }"); !failed() || !strings.Contains(log, "quarantine") {
		m.t.Errorf("the alert for a build that was left on disk:\n%s", log)
	}
	if st := m.status(); !strings.Contains(st.Alert, "quarantine") || !st.Pending {
		m.t.Errorf("status without the daemon: %+v", st)
	}
	told := func(result supervisor.Result) bool {
		return strings.Contains(m.sh("cat /srv/told 2>/dev/null || true"), `NGINX_HOTSWAP_RESULT="`+string(result))
	}
	m.eventually("the unit of OnResultUnit= knows of the rollback", func() bool { return told(supervisor.RolledBack) })
	m.sh(fmt.Sprintf("cp /proc/%d/exe %s.new && mv %[2]s.new %[2]s", m.mainPID(), nginxBinary))
	m.install(nextVersion(before.Running.Version, 0))
	m.exits(supervisor.ExitOK, "nginx-hotswap upgrade nginx")
	m.eventually("and of the upgrade", func() bool { return told(supervisor.Upgraded) })
	if failed() {
		m.t.Error("a good build does not end the alert")
	}
	m.sh("systemctl start nginx-hotswap")
	m.eventually("the daemon has attached", func() bool { return m.status().MainPID == m.mainPID() })
}
