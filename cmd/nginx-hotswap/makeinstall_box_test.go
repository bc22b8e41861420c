//go:build box

package main

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// `make install` has what the packages have, but for their hooks, and `make
// uninstall` takes it away again, as the README tells it. nginx notices nothing.
func TestBoxMakeInstall(t *testing.T) {
	m := boot(t, quickConfig)
	before := m.mainPID()
	m.shows("journalctl --update-catalog && journalctl --dump-catalog 3efe34a1e2c04bf78b6a1578a7b03da9", "nginx-hotswap unhold", "upgrade --force")
	for _, file := range []string{
		"/usr/share/man/man8/nginx-hotswap.8", "/usr/share/man/man5/nginx-hotswap.conf.5", "/usr/share/man/man5/io.github.NginxHotswap1.5",
		"/usr/share/bash-completion/completions/nginx-hotswap", "/usr/share/zsh/vendor-completions/_nginx-hotswap",
		"/usr/share/fish/vendor_completions.d/nginx-hotswap.fish",
	} {
		m.sh("test -s " + file)
	}
	m.sh("test -d /etc/nginx-hotswap/nginx-hotswap.conf.d -a -d /etc/nginx-hotswap/instance.d")
	m.brokenConfiguration()

	m.sh("systemctl disable --now nginx-hotswap 2>&1")
	uninstall := exec.CommandContext(t.Context(), "make", "--no-print-directory", "-C", "../..", "uninstall", "DESTDIR="+m.Path("/"))
	if out, err := uninstall.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m.sh("systemctl daemon-reload")
	left := m.sh(`find /etc /usr /var/lib -iname '*nginx-hotswap*' -o -name '*NginxHotswap1*' | sort`)
	want := "/etc/nginx-hotswap\n/etc/nginx-hotswap/nginx-hotswap.conf\n/etc/nginx-hotswap/nginx-hotswap.conf.d\n/var/lib/nginx-hotswap"
	if strings.TrimSpace(left) != want {
		t.Errorf("left behind:\n%s", left)
	}
	if after := m.mainPID(); after != before {
		t.Errorf("the master was %d and is %d", before, after)
	}
	m.consistent()
}

// brokenConfiguration: a daemon that runs goes on, one that is started comes up
// as soon as the mistake is corrected.
func (m *machine) brokenConfiguration() {
	m.t.Helper()
	const bad = "/etc/nginx-hotswap/nginx-hotswap.conf.d/bad.conf"
	m.write(bad, "[Upgrade]\nSoakSec=soon\n")
	m.shows("nginx-hotswap check-config", "SoakSec", "failed: 1")
	m.shows("systemctl reload nginx-hotswap", "failed: 1")
	m.shows("systemctl is-active nginx-hotswap; nginx-hotswap status", "active\n", fmt.Sprint(m.mainPID()))
	m.shows("systemctl restart nginx-hotswap", "failed: 1")
	m.eventually("it tries again", func() bool { return m.sh("systemctl show nginx-hotswap -p NRestarts --value") > "1" })
	m.sh("rm " + bad)
	m.eventually("the daemon has attached", func() bool { return m.status().MainPID == m.mainPID() })
}
