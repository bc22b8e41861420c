//go:build box

package packages

import (
	"fmt"
	"maps"
	"os"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

const aptUpgrade = "apt-get -q -y -o Dpkg::Use-Pty=0 dist-upgrade"

// openssl is the library that nginx has mapped, under the name that the release
// gives its package, and its command.
func (m *machine) openssl() map[string]Change {
	m.t.Helper()
	library := m.sh(`dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' 'libssl[0-9]*' | sed -n 's/^ii *//p'`)
	return map[string]Change{library: Marked(Libraries, fmt.Sprint("build ", m.made)), "openssl": Nothing}
}

// stale says whether the master runs a libssl that is no longer on the disk.
func (m *machine) stale() bool {
	m.t.Helper()
	return m.sh(fmt.Sprintf(`grep -c 'libssl.*(deleted)' /proc/%d/maps || true`, m.mainPID())) != "0"
}

// nginx and OpenSSL in one run, and OpenSSL alone, without needrestart.
func TestBoxUpgradeOfOpenSSL(t *testing.T) {
	m := boot(t, "trixie")
	both := func() map[string]Change {
		changes := m.good()
		maps.Copy(changes, m.openssl())
		return changes
	}
	m.repository(both())
	m.under("nginx and openssl", aptUpgrade).suffers(t)
	m.repository(m.openssl())
	m.under("openssl alone", aptUpgrade)
	if !m.stale() {
		t.Error("without nginx-hotswap nginx runs the new libssl: the scenario proves nothing")
	}
	m.sh("systemctl restart nginx")

	m.installOurs(soonConfig)
	m.repository(both())
	m.upgraded(m.under("nginx and openssl", aptUpgrade), supervisor.OriginDpkg)
	m.repository(m.openssl())
	m.upgraded(m.under("openssl alone", aptUpgrade), supervisor.OriginDpkg)
	if m.stale() {
		t.Error("nginx runs a libssl that is gone")
	}
}

// With needrestart a new OpenSSL means a restart, which our hook takes the place of.
func TestBoxNeedrestart(t *testing.T) {
	m := boot(t, "bookworm")
	m.installNeedrestart()
	m.repository(m.openssl())
	m.under("openssl, needrestart -r a", aptUpgrade).suffers(t)

	m.installOurs(soonConfig)
	since := m.property("ActiveEnterTimestampMonotonic")
	m.repository(m.openssl())
	m.upgraded(m.under("openssl, needrestart -r a", aptUpgrade), supervisor.OriginDpkg)
	if m.stale() {
		t.Error("nginx runs a libssl that is gone")
	}

	// Where nothing but needrestart asks: no package manager, no watcher.
	m.write(configPath, soonConfig+"[Supervisor]\nAutomatic=no\n")
	m.sh("systemctl reload nginx-hotswap")
	library := m.sh(fmt.Sprintf(`sed -n 's|.* \(/.*/libssl\.so\.[0-9.]*\)$|\1|p' /proc/%d/maps | head -1`, m.mainPID()))
	content, err := os.ReadFile(m.Path(library))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.WriteFile(library, append(content, "by hand"...), 0o644); err != nil {
		t.Fatal(err)
	}
	m.upgraded(m.under("libssl by hand, needrestart -r a", "needrestart -r a"), supervisor.OriginNeedrestart)
	again := m.under("needrestart -r a once more", "/etc/needrestart/restart.d/nginx.service; needrestart -r a")
	again.lossless(t)
	if len(again.cycles) != 0 || again.before != again.after || again.exit != 0 {
		t.Errorf("a second call: %s, MainPID %d->%d, status %d\n%s", results(again.cycles), again.before, again.after, again.exit, again.output)
	}
	if got := m.property("ActiveEnterTimestampMonotonic"); got != since {
		t.Errorf("nginx was restarted: ActiveEnterTimestamp %s, before %s", got, since)
	}
}
