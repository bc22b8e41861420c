//go:build box

package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An image that is made on a host which has the package is none of its business.
func TestBoxDebOtherRoot(t *testing.T) {
	m := packaged(t, quietConfig)
	ours, build := m.deb("0.2.0"), m.nginxPackage("1", "/usr/sbin/nginx")
	const host = "systemctl show nginx-hotswap -p InvocationID -p UnitFileState; stat -c %i /var/lib/nginx-hotswap /run/nginx-hotswap; ls -R /var/lib/systemd/deb-systemd-helper-enabled"
	before, nginx := m.sh(host), m.serving()
	m.sh("mkdir -p /srv/root/var/lib/dpkg/info /srv/root/var/lib/dpkg/updates /srv/root/var/lib/nginx-hotswap; touch /srv/root/var/lib/dpkg/status /run/nginx-hotswap/package-result-failed")
	const dpkg = "dpkg --root=/srv/root --force-script-chrootless --force-depends "
	for _, do := range []string{"-i " + ours, "-i " + ours, "-i " + build, "-r nginx-hotswap", "-P nginx-hotswap"} {
		if exit, out := m.try(dpkg + do + " 2>&1"); exit != 0 {
			t.Errorf("%s: exit status %d\n%s", do, exit, out)
		}
		if diff := cmp.Diff(before, m.sh(host)); diff != "" {
			t.Fatalf("%s has touched the host:\n%s", do, diff)
		}
	}
	if diff := cmp.Diff(nginx, m.serving()); diff != "" {
		t.Errorf("nginx was touched:\n%s", diff)
	}
	m.sh("test -e /run/nginx-hotswap/package-result-failed")
	if left := m.sh("ls /srv/root/var/lib"); strings.Contains(left, "hotswap") {
		t.Errorf("the purge has left %s in the directory", left)
	}
}
