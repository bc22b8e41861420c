//go:build box

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Who installs us again after a removal has not asked for what has come in the
// meantime, however the hooks and the watcher are set.
func TestBoxDebReturns(t *testing.T) {
	m := packaged(t, quickConfig)
	const ours = "/root/nginx-hotswap_0.1.0-1_*.deb"
	load := m.startLoad()
	for i, config := range []string{quickConfig, quietConfig} {
		m.configure(config)
		version, nginx := m.status().Running.Version, m.serving()
		m.sh("dpkg -r nginx-hotswap")
		m.install(nextVersion(version, i))
		m.sh("dpkg -i " + ours)
		m.eventually("the other binary is seen", func() bool { return m.status().Pending })
		time.Sleep(2 * time.Second)
		if diff := cmp.Diff(nginx, m.serving()); diff != "" {
			t.Errorf("the installation has touched nginx:\n%s", diff)
		}
		if all := m.records(); len(all) != i {
			t.Errorf("cycles: %+v", all)
		}
		m.sh("nginx-hotswap upgrade")
		m.cycleAfter("")
	}
	load.lossless()

	// What a person has held stays so.
	m.sh("nginx-hotswap hold; dpkg -r nginx-hotswap; dpkg -i " + ours)
	m.eventually("it is held", func() bool { return strings.Contains(m.sh("nginx-hotswap status"), "held") })

	// An alert is ours, and goes with us.
	m.alert()
	m.sh("dpkg -r nginx-hotswap")
	m.noAlert("dpkg -r")
}

// alert raises one, for an instance that there is not.
func (m *machine) alert() {
	m.t.Helper()
	m.sh("! systemctl start nginx-hotswap-alert@gone.service 2>&1; systemctl is-failed nginx-hotswap-alert@gone.service")
}

func (m *machine) noAlert(after string) {
	m.t.Helper()
	if failed := m.sh("systemctl --failed --no-legend --plain"); strings.Contains(failed, "hotswap") {
		m.t.Errorf("after %s systemd still shows %s", after, failed)
	}
}
