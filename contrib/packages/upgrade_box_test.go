//go:build box

package packages

import (
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

const (
	aptNginx = "apt-get -q -y -o Dpkg::Use-Pty=0 install nginx nginx-common libnginx-mod-stream"
)

// The ordinary upgrade of nginx, by apt and by hand.
func TestBoxUpgradeOfNginx(t *testing.T) {
	m := boot(t, "bookworm")
	m.repository(m.good())
	m.under("nginx, common, module by apt", aptNginx).suffers(t)
	dir := m.repository(m.good())
	m.under("nginx, common, module by dpkg -i", "dpkg -i "+dir+"/*.deb").suffers(t)
	m.installOurs(soonConfig)
	m.repository(m.good())
	m.upgraded(m.under("nginx, common, module by apt", aptNginx), supervisor.OriginDpkg)
	dir = m.repository(m.good())
	m.upgraded(m.under("nginx, common, module by dpkg -i", "dpkg -i "+dir+"/*.deb"), supervisor.OriginDpkg)
}

// A release whose package no longer restarts nginx.
func TestBoxUpgradeOfNginxForky(t *testing.T) {
	m := boot(t, "forky")
	m.repository(m.good())
	m.under("nginx, common, module by apt", aptNginx)
	m.installOurs(soonConfig)
	m.repository(m.good())
	m.upgraded(m.under("nginx, common, module by apt", aptNginx), supervisor.OriginDpkg)
}
