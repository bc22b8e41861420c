package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
)

// maintainerCalls runs a script of the Debian package and returns what it calls.
// Nothing of it is really done.
func maintainerCalls(t *testing.T, root, script string, args ...string) []string {
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
	cmd := exec.CommandContext(t.Context(), shell, append([]string{"../../packaging/deb/" + script}, args...)...)
	cmd.Env = []string{"PATH=" + bin, "DPKG_ROOT=" + root}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", script, strings.Join(args, " "), err, out)
	}
	calls, err := os.ReadFile(log)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.FieldsFunc(string(calls), func(r rune) bool { return r == '\n' })
}

// With DPKG_ROOT another directory is worked on: of the host nothing is touched.
// What is below it is deb-systemd-helper's matter, which knows of it.
func TestDebScriptsElsewhere(t *testing.T) {
	for _, tt := range []struct {
		script string
		args   []string
		want   []string
	}{
		{"postinst", []string{"configure", "1.0-1"}, nil},
		{"postinst", []string{"triggered", "/usr/sbin/nginx"}, nil},
		{"prerm", []string{"remove"}, nil},
		{"postrm", []string{"remove"}, nil},
		{"postrm", []string{"purge"}, []string{"rm -rf /srv/root/var/lib/nginx-hotswap"}},
	} {
		t.Run(tt.script+" "+tt.args[0], func(t *testing.T) {
			calls := maintainerCalls(t, "/srv/root", tt.script, tt.args...)
			calls = slices.DeleteFunc(calls, func(call string) bool { return strings.HasPrefix(call, "deb-systemd-helper ") })
			if diff := cmp.Diff(tt.want, calls, cmp.Transformer("none", func(c []string) string { return strings.Join(c, "\n") })); diff != "" {
				t.Error(diff)
			}
		})
	}
	want := []string{"rm -rf /var/lib/nginx-hotswap", "rm -rf /run/nginx-hotswap"}
	if calls := maintainerCalls(t, "", "postrm", "purge"); !slices.Equal(calls[max(len(calls)-2, 0):], want) {
		t.Errorf("on the host itself: %q", calls)
	}
}
