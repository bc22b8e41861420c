//go:build box

package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Installing, upgrading and removing the package touches nothing of nginx, not
// even where another build waits for somebody to ask for it.
func TestBoxRPMLifecycle(t *testing.T) {
	m := fedora(t)
	older, newer := m.ourRPM("0.1.0"), m.ourRPM("0.2.0")
	m.write("/etc/nginx-hotswap/nginx-hotswap.conf.d/test.conf", quickConfig)
	nginx := m.serving()
	load := m.startLoad()
	for i, helper := range []bool{true, false} {
		// Before the first installation, and after a removal.
		m.install(m.release('5' + byte(i)))
		if !helper {
			m.sh("rm /usr/lib/systemd/systemd-update-helper")
		}
		m.rpmTransaction("-i "+older, nginx, func() {
			m.sh("systemctl enable --now nginx-hotswap 2>&1")
			m.lookedAfter("0.1.0")
		})
		for _, do := range []string{"-U ", "-U --replacepkgs "} {
			m.rpmTransaction(do+newer, nginx, func() { m.lookedAfter("0.2.0") })
		}
		m.alert()
		m.rpmTransaction("-e nginx-hotswap", nginx, m.rpmGone)
	}
	load.lossless()
}

// rpmTransaction must say and touch nothing, and what is left is looked at.
func (m *machine) rpmTransaction(do, nginx string, look func()) {
	m.t.Helper()
	if out := m.sh("rpm --force-debian " + do + " 2>&1"); complaint.MatchString(out) {
		m.t.Errorf("rpm %s:\n%s", do, out)
	}
	look()
	if diff := cmp.Diff(nginx, m.serving()); diff != "" {
		m.t.Fatalf("rpm %s has touched nginx:\n%s", do, diff)
	}
}

func (m *machine) rpmGone() {
	m.t.Helper()
	if out := m.sh("systemctl is-active nginx-hotswap || ls /run/nginx-hotswap/package-replaced /usr/sbin/nginx-hotswap 2>/dev/null || true"); out != "inactive" {
		m.t.Errorf("after the removal: %s", out)
	}
	m.noAlert("the removal")
}
