//go:build box

package main

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// bare starts a machine with nginx and without the project.
func bare(t *testing.T) *machine {
	t.Helper()
	t.Parallel()
	m := &machine{box.Start(t, box.Options{Base: box.Base(t)}), t}
	m.Build(t, "./contrib/traffic/cmd/traffic")
	m.site()
	m.restartable()
	// Where the machine is made from no service may start.
	m.sh("rm -f /usr/sbin/policy-rc.d; systemctl restart nginx")
	return m
}

// deb builds the package and copies it into the machine.
func (m *machine) deb(version string) string {
	m.t.Helper()
	if _, err := exec.LookPath("dpkg"); err != nil {
		nginxtest.Unable(m.t, "dpkg is not installed")
	}
	return m.Deb(m.t, version)
}

// serving names everything that runs of nginx. Installing and removing us
// changes nothing of it.
func (m *machine) serving() string {
	m.t.Helper()
	return m.sh("systemctl show nginx -p MainPID -p NRestarts; grep -alE '^nginx: ' /proc/[0-9]*/cmdline | sort")
}

// files lists the machine's files, without those that come and go by
// themselves or with every package.
func (m *machine) files() string {
	m.t.Helper()
	return m.sh(`find /etc /usr /var /run -xdev \( -path /var/lib/dpkg -o -path /var/log -o -path /var/cache/man \
		-o -path /var/lib/systemd/timers -o -path /var/tmp -o -path /run/systemd -o -path /run/udev -o -path /run/log \
		-o -path /run/user -o -path /run/nginx.pid -o -path /var/lib/postgresql \) -prune -o -print | sort
		find /var/lib/dpkg/info /run/systemd -name '*hotswap*' -o -name '*.nginx-hotswap'`)
}

// complaint is what no step may print. To dpkg a directory below /usr/lib is not
// the one that systemd's package has below /lib, so it tries to remove it.
var (
	complaint = regexp.MustCompile(`(?i)warning|error|fail`)
	unowned   = regexp.MustCompile(`dpkg: warning: while removing nginx-hotswap, directory '/usr/lib/\S+' not empty so not removed`)
)

func TestBoxDebLifecycle(t *testing.T) {
	m := bare(t)
	older, newer := m.deb("0.1.0"), m.deb("0.2.0")
	// Long before us somebody has replaced the binary. It is theirs to say
	// whether it is to run.
	m.install(nextVersion(m.sh("nginx -v 2>&1 | sed 's|.*/||; s| .*||'"), 0))
	// The first installation of any package makes these.
	m.sh("mkdir -p /var/lib/systemd/deb-systemd-helper-enabled/multi-user.target.wants")
	nginx, before := m.serving(), m.files()
	load := m.startLoad()
	for _, step := range []struct{ do, version string }{
		{"dpkg -i " + older, "0.1.0"},
		{"dpkg -i " + newer, "0.2.0"},
		{"dpkg -i " + newer, "0.2.0"},
		{"dpkg -r nginx-hotswap", ""},
		{"dpkg -i " + newer, "0.2.0"},
		{"dpkg -P nginx-hotswap", ""},
		{"dpkg -i " + older, "0.1.0"},
		{"dpkg -r nginx-hotswap", ""},
		{"dpkg -P nginx-hotswap", ""},
	} {
		if out := m.sh(step.do + " 2>&1"); complaint.MatchString(unowned.ReplaceAllString(out, "")) {
			t.Errorf("%s:\n%s", step.do, out)
		}
		if step.version != "" {
			m.lookedAfter(step.version)
		}
		if diff := cmp.Diff(nginx, m.serving()); diff != "" {
			t.Fatalf("%s has touched nginx:\n%s", step.do, diff)
		}
	}
	if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(m.files(), "\n")); diff != "" {
		t.Errorf("files before the first installation (-) and after the purge (+):\n%s", diff)
	}
	if left := m.sh("systemctl list-unit-files 'nginx-hotswap*' --no-legend || true; systemctl show nginx -p DropInPaths"); strings.Contains(left, "hotswap") {
		t.Errorf("systemd still knows: %s", left)
	}
	load.lossless()
}

// lookedAfter makes sure that the daemon of a package runs and has begun no
// upgrade.
func (m *machine) lookedAfter(version string) {
	m.t.Helper()
	got := m.sh("systemctl is-enabled nginx-hotswap; systemctl is-active nginx-hotswap; nginx-hotswap --version")
	if want := "enabled\nactive\nnginx-hotswap version " + version; got != want {
		m.t.Errorf("state and version: got %q, want %q", got, want)
	}
	m.eventually("the other binary is seen as pending", func() bool {
		s := m.status()
		return s.MainPID == m.mainPID() && s.Pending
	})
	if s := m.status(); s.Last != nil {
		m.t.Errorf("a cycle was begun: %+v", s.Last)
	}
}

// Where the daemon is not to run nothing is done, and nothing is said of it.
func TestBoxDebOff(t *testing.T) {
	m := bare(t)
	ours, newer := m.deb("0.1.0"), m.deb("0.2.0")
	version := nextVersion(m.sh("nginx -v 2>&1 | sed 's|.*/||; s| .*||'"), 0)
	m.NewerNginx(t, "/root/newer", version)
	build := m.nginxPackage("1", "/root/newer")
	m.sh("printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d")
	nginx := m.serving()
	for _, c := range []struct{ name, script string }{
		{"policy-rc.d forbids it", "dpkg -i " + ours},
		{"a trigger without the daemon", "dpkg -i " + build},
		{"a chroot", "mount --bind / /mnt; chroot /mnt sh -c 'dpkg -i " + newer + " && dpkg -i " + build + "'; umount /mnt"},
		{"masked", "rm /usr/sbin/policy-rc.d; systemctl mask nginx-hotswap; dpkg -i " + newer + "; dpkg -i " + build},
	} {
		if out := m.sh("set -e; (" + c.script + ") 2>&1"); complaint.MatchString(out) || strings.Contains(out, "nginx:") {
			t.Errorf("%s:\n%s", c.name, out)
		}
		m.packageIs("installed")
		if diff := cmp.Diff(nginx, m.serving()); diff != "" {
			t.Errorf("%s: nginx was touched:\n%s", c.name, diff)
		}
		if _, state := m.try("systemctl is-active nginx-hotswap"); !strings.HasPrefix(state, "inactive") {
			t.Errorf("%s: the daemon is %s", c.name, state)
		}
	}
}

// Our own package may be upgraded and removed while nginx is being upgraded.
func TestBoxDebInMidCycle(t *testing.T) {
	m := packaged(t, quickConfig+"Confirm=manual\n")
	newer := m.deb("0.2.0")
	before := m.status()
	load := m.startLoad()
	m.install(nextVersion(before.Running.Version, 0))
	m.eventually("it is to be confirmed", func() bool { return m.status().Phase == supervisor.Draining })
	m.eventually("the old workers have finished", func() bool {
		masters := m.status().Masters
		return len(masters) == 2 && len(masters[0].Workers)+len(masters[1].Workers) == len(before.Masters[0].Workers)
	})
	nginx := m.serving()
	m.sh("dpkg -i " + newer)
	if out := m.sh("dpkg -r nginx-hotswap 2>&1"); !strings.Contains(out, "the upgrade of nginx is not finished") {
		t.Errorf("the removal does not tell of the two masters:\n%s", out)
	}
	m.sh("dpkg -i " + newer)
	m.eventually("the cycle goes on", func() bool { return m.status().Phase == supervisor.Draining })
	if diff := cmp.Diff(nginx, m.serving()); diff != "" {
		t.Errorf("nginx was touched:\n%s", diff)
	}
	m.sh("nginx-hotswap confirm")
	if after := m.cycleAfter(""); after.Last.Result != supervisor.Upgraded || after.MainPID == before.MainPID {
		t.Errorf("after the confirmation: %+v", after)
	}
	load.lossless()
	m.consistent()
}
