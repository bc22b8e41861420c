package packages

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
)

// moduleHead is the beginning of an ngx_module_t of nginx 1.22.1.
const moduleHead = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// archiveOf makes packages as an archive has them.
func archiveOf(t *testing.T, packages map[string]string, files map[string]string) Archive {
	t.Helper()
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		nginxtest.Unable(t, "dpkg-deb is not installed")
	}
	a := Archive{t.TempDir()}
	for name, fields := range packages {
		tree := Tree{t.TempDir()}
		write(t, tree.Path("DEBIAN/control"), "Package: "+name+"\nArchitecture: all\nMaintainer: none <none@example.org>\n"+fields+"Description: test\n")
		for path, content := range files {
			if owner, path, _ := strings.Cut(path, ":"); owner == name {
				write(t, tree.Path(path), content)
			}
		}
		if err := tree.Pack(t.Context(), a.dir); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestRepack(t *testing.T) {
	const version = "1.22.1-9+deb12u11"
	a := archiveOf(t, map[string]string{
		"nginx":               "Version: " + version + "\nDepends: nginx-common (= " + version + "), libssl3 (>= 3.0)\nProvides: nginx-abi-1.22.1-7\n",
		"nginx-common":        "Version: " + version + "\nBreaks: nginx (<< " + version + ")\n",
		"libnginx-mod-stream": "Version: " + version + "\nDepends: nginx-abi-1.22.1-7\n",
	}, map[string]string{
		"nginx:usr/sbin/nginx":                                         "nginx/1.22.1\x00rest",
		"nginx:DEBIAN/md5sums":                                         "0  usr/sbin/nginx\n",
		"libnginx-mod-stream:usr/lib/nginx/modules/stream.so":          moduleHead + "\x31\x98\x0f\x00\x00\x00\x00\x00tail",
		"nginx-common:usr/lib/x86_64-linux-gnu/libother.so.3":          "library",
		"nginx-common:usr/lib/x86_64-linux-gnu/engines-3/untouched.so": "engine",
	})
	dir := t.TempDir()
	if err := a.Repack(t.Context(), dir, "+next1", map[string]Change{
		"nginx": Version('7'), "nginx-common": Marked(Libraries, "!"), "libnginx-mod-stream": Misfit,
	}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"usr/sbin/nginx":                                  "nginx/1.22.7\x00rest",
		"usr/lib/nginx/modules/stream.so":                 moduleHead + "\x32\x98\x0f\x00\x00\x00\x00\x00tail",
		"usr/lib/x86_64-linux-gnu/libother.so.3":          "library!",
		"usr/lib/x86_64-linux-gnu/engines-3/untouched.so": "engine",
	}
	got, controls := contents(t, dir)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
	for name, line := range map[string]string{
		"nginx":               "Depends: nginx-common (= " + version + "+next1), libssl3 (>= 3.0)",
		"nginx-common":        "Breaks: nginx (<< " + version + ")",
		"libnginx-mod-stream": "Depends: nginx-abi-1.22.1-7",
	} {
		if c := controls[name]; !strings.Contains(c, "\nVersion: "+version+"+next1\n") || !strings.Contains(c, line) {
			t.Errorf("control of %s without %q:\n%s", name, line, c)
		}
	}
}

// contents unpacks all packages in dir.
func contents(t *testing.T, dir string) (files, controls map[string]string) {
	t.Helper()
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		t.Fatal(err)
	}
	files, controls = map[string]string{}, map[string]string{}
	for i, deb := range debs {
		tree, err := Unpack(t.Context(), deb, filepath.Join(t.TempDir(), fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		name, err := tree.Field("Package")
		if err != nil {
			t.Fatal(err)
		}
		err = filepath.WalkDir(tree.dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(path)
			rel, _ := filepath.Rel(tree.dir, path)
			if rel == "DEBIAN/control" {
				controls[name] = string(content)
			} else {
				files[rel] = string(content)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files, controls
}

func TestRepackRefuses(t *testing.T) {
	a := archiveOf(t, map[string]string{"nginx": "Version: 1.22.1-9\n"}, map[string]string{"nginx:usr/sbin/nginx": "other"})
	for name, test := range map[string]struct {
		changes map[string]Change
		want    string
	}{
		"a package that is not there": {map[string]Change{"openssl": Nothing}, "0 packages openssl"},
		"a binary of another version": {map[string]Change{"nginx": Version('2')}, "it is not there"},
		"a package without modules":   {map[string]Change{"nginx": Misfit}, "no file of the package"},
	} {
		t.Run(name, func(t *testing.T) {
			err := a.Repack(t.Context(), t.TempDir(), "+next1", test.changes)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// What apt makes of the index is what counts.
func TestIndexForApt(t *testing.T) {
	if _, err := exec.LookPath("apt-cache"); err != nil {
		nginxtest.Unable(t, "apt is not installed")
	}
	a := archiveOf(t, map[string]string{"nginx": "Version: 1.22.1-9\n"}, nil)
	if err := Index(t.Context(), a.dir); err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	write(t, filepath.Join(state, "sources.list"), "deb [trusted=yes] file:"+a.dir+" ./\n")
	write(t, filepath.Join(state, "status"), "")
	if err := os.MkdirAll(filepath.Join(state, "lists/partial"), 0o755); err != nil {
		t.Fatal(err)
	}
	apt := func(name string, args ...string) string {
		options := []string{"-o", "Dir::Etc::sourcelist=" + state + "/sources.list", "-o", "Dir::Etc::sourceparts=/dev/null",
			"-o", "Dir::State::status=" + state + "/status", "-o", "Dir::State::lists=" + state + "/lists",
			"-o", "Dir::Cache=" + state, "-o", "APT::Sandbox::User=" + os.Getenv("USER"), "-o", "Debug::NoLocking=true"}
		out, err := exec.CommandContext(context.WithoutCancel(t.Context()), name, append(options, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	apt("apt-get", "update")
	if shown := apt("apt-cache", "policy", "nginx"); !strings.Contains(shown, "Candidate: 1.22.1-9\n") {
		t.Errorf("apt sees:\n%s", shown)
	}
}

func TestUpstream(t *testing.T) {
	for version, want := range map[string]uint64{"1.22.1": 1022001, "1.30.6": 1030006, "1.2": 0, "1.x.3": 0} {
		got, err := versionNumber(version)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("versionNumber(%q): %d, %v", version, got, err)
		}
	}
}
