//go:build box

package packages

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

const (
	toolsPath = "/srv/tools"
	// Nobody has signed the test's packages, or says where they are from.
	unattendedConfig = `Unattended-Upgrade::Origins-Pattern { "origin=*"; };
APT::Periodic::Unattended-Upgrade "1";
`
	unattended = "unattended-upgrade -v"
	// What a timer starts every day. systemd's own update in between makes
	// systemctl give up the wait for it.
	unattendedUnit = `rm -f /var/lib/apt/periodic/*
before=$(systemctl show --value -p InvocationID apt-daily-upgrade)
systemctl start --no-block apt-daily-upgrade
until [ "$(systemctl show --value -p InvocationID apt-daily-upgrade)" != "$before" ]; do sleep 0.1; done
until systemctl show -p ActiveState apt-daily-upgrade | grep -q inactive; do sleep 0.1; done
systemctl show -p Result apt-daily-upgrade
tail -n 1 /var/log/unattended-upgrades/unattended-upgrades.log`
)

// installTools installs packages that nothing of nginx belongs to, as a user does.
func (m *machine) installTools(names ...string) {
	m.t.Helper()
	files, err := m.archive.Files()
	if err != nil {
		m.t.Fatal(err)
	}
	for _, file := range files {
		base := filepath.Base(file)
		if name, _, _ := strings.Cut(base, "_"); wanted.MatchString(name) {
			continue
		}
		if err := m.CopyIn(file, filepath.Join(toolsPath, base)); err != nil {
			m.t.Fatal(err)
		}
	}
	if err := Index(m.t.Context(), m.Path(toolsPath)); err != nil {
		m.t.Fatal(err)
	}
	m.write("/etc/apt/sources.list", "deb [trusted=yes] file:"+toolsPath+" ./\n")
	if out, exit := m.try("apt-get -q update && apt-get -q -y --no-install-recommends install " + strings.Join(names, " ")); exit != 0 {
		m.t.Fatalf("%d: %s", exit, out)
	}
}

// installNeedrestart installs it in the mode that restarts without a question.
func (m *machine) installNeedrestart() {
	m.t.Helper()
	m.installTools("needrestart")
	m.write("/etc/needrestart/conf.d/test.conf", "$nrconf{restart} = 'a';\n$nrconf{kernelhints} = 0;\n$nrconf{ucodehints} = 0;\n")
}

// completed asserts that unattended-upgrades says so itself, at its end.
func (r *row) completed(t *testing.T) {
	t.Helper()
	if !strings.HasSuffix(r.output, "All upgrades installed") {
		t.Errorf("%s: it has not done all\n%s", r.scenario, r.output)
	}
}

// It holds dpkg's lock from the first to the last of its steps, each of which is a
// run of dpkg and, with needrestart, the end of one.
func TestBoxUnattendedUpgrades(t *testing.T) {
	m := boot(t, "bookworm")
	m.installTools("unattended-upgrades")
	m.installNeedrestart()
	m.write("/etc/apt/apt.conf.d/99test", unattendedConfig)
	m.repository(m.good())
	m.under("unattended-upgrade, nginx", unattended).suffers(t)

	m.installOurs(soonConfig)
	m.repository(m.good())
	r := m.under("unattended-upgrade, nginx", unattended)
	m.upgraded(r, supervisor.OriginDpkg)
	r.completed(t)

	// As the timer does it, and in one step.
	m.write("/etc/apt/apt.conf.d/99test", unattendedConfig+`Unattended-Upgrade::MinimalSteps "false";`)
	both := m.good()
	maps.Copy(both, m.openssl())
	m.repository(both)
	r = m.under("apt-daily-upgrade, nginx and openssl", unattendedUnit)
	m.upgraded(r, supervisor.OriginDpkg)
	r.completed(t)
	if !strings.Contains(r.output, "Result=success") || m.stale() {
		t.Errorf("%s: stale %v\n%s", r.scenario, m.stale(), r.output)
	}
}
