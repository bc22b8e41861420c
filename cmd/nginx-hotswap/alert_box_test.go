//go:build box

package main

import (
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
	if log := m.sh("journalctl -u " + alertUnit + " --no-pager"); !strings.Contains(log, "SIGABRT") || !strings.Contains(log, "stands in for") {
		t.Errorf("its log does not say why:\n%s", log)
	}
	m.sh("systemctl restart nginx-hotswap && systemctl reset-failed " + alertUnit)
	m.sh("systemctl restart nginx-hotswap")
	m.eventually("a new daemon shows it again", failed)
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
	m.sh("nginx-hotswap rollback nginx --to=" + before.Running.Version)
	if st := m.cycleAfter(lastID(known)); st.Last.Result != supervisor.Upgraded || failed() {
		t.Errorf("after a person's rollback: %+v", st)
	}
}
