package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
)

// elsewhere is where a maintainer script runs: DPKG_ROOT, and what ischroot says.
type elsewhere struct {
	root     string
	ischroot int
}

// noChroot is the exit status of ischroot on a host and in a container.
const noChroot = 1

// maintainerCalls runs a script of the Debian package and returns what it calls.
// Nothing of it is really done.
func maintainerCalls(t *testing.T, where elsewhere, script string, args ...string) []string {
	t.Helper()
	shell, err := exec.LookPath("dash")
	if err != nil {
		nginxtest.Unable(t, "dash is not installed")
	}
	bin := t.TempDir()
	log := filepath.Join(bin, "log")
	for _, name := range []string{"systemctl", "deb-systemd-helper", "deb-systemd-invoke", "nginx-hotswap", "rm"} {
		stub := "#!" + shell + "\necho \"" + name + " $*\" >>'" + log + "'\n"
		if err := os.WriteFile(filepath.Join(bin, name), []byte(stub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ischroot := fmt.Sprintf("#!%s\nexit %d\n", shell, where.ischroot)
	if err := os.WriteFile(filepath.Join(bin, "ischroot"), []byte(ischroot), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), shell, append([]string{"../../packaging/deb/" + script}, args...)...)
	cmd.Env = []string{"PATH=" + bin, "DPKG_ROOT=" + where.root}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", script, strings.Join(args, " "), err, out)
	}
	calls, err := os.ReadFile(log)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.FieldsFunc(string(calls), func(r rune) bool { return r == '\n' })
}

// With DPKG_ROOT, and in a chroot, another directory is worked on: of the host
// nothing is touched, not even where its /run is in the chroot. What is below the
// directory is deb-systemd-helper's matter, which knows of it.
func TestDebScriptsElsewhere(t *testing.T) {
	for _, where := range []elsewhere{{"/srv/root", noChroot}, {"", 0}} {
		for _, tt := range []struct {
			script string
			args   []string
			want   []string
		}{
			{"postinst", []string{"configure", "1.0-1"}, nil},
			{"postinst", []string{"triggered", "/usr/sbin/nginx"}, nil},
			{"prerm", []string{"remove"}, nil},
			{"postrm", []string{"remove"}, nil},
			{"postrm", []string{"purge"}, []string{"rm -rf " + where.root + "/var/lib/nginx-hotswap"}},
		} {
			t.Run(fmt.Sprintf("%s %s %v", tt.script, tt.args[0], where), func(t *testing.T) {
				calls := maintainerCalls(t, where, tt.script, tt.args...)
				calls = slices.DeleteFunc(calls, func(call string) bool { return strings.HasPrefix(call, "deb-systemd-helper ") })
				if diff := cmp.Diff(tt.want, calls, cmp.Transformer("none", func(c []string) string { return strings.Join(c, "\n") })); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
	want := []string{"rm -rf /var/lib/nginx-hotswap", "rm -rf /run/nginx-hotswap"}
	if calls := maintainerCalls(t, elsewhere{"", noChroot}, "postrm", "purge"); !slices.Equal(calls[max(len(calls)-2, 0):], want) {
		t.Errorf("on the host itself: %q", calls)
	}
}
