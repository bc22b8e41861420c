package supervisor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// keep puts a build with the given contents into a vault.
func keep(t *testing.T, v Vault, version, text string) KeptBuild {
	t.Helper()
	from := filepath.Join(t.TempDir(), "nginx")
	put(t, from, text)
	b := KeptBuild{Version: version, SHA256: sha(text), Path: "/usr/sbin/nginx", Kept: someTime.Add(time.Duration(len(text)) * time.Hour)}
	if err := v.Keep(b, from); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVaultFind(t *testing.T) {
	v := Vault{filepath.Join(t.TempDir(), "vault")}
	old, twin, other := keep(t, v, "1.26.2", "a"), keep(t, v, "1.26.3", "bb"), keep(t, v, "1.26.3", "ccc")
	damaged := keep(t, v, "1.28.0", "dddd")
	put(t, v.Binary(damaged), "DDDD")
	for name, tt := range map[string]struct {
		name string
		want KeptBuild
		says string
	}{
		"a version":                  {"1.26.2", old, ""},
		"a SHA-256":                  {twin.SHA256, twin, ""},
		"the beginning of a SHA-256": {other.SHA256[:6], other, ""},
		"as messages write it":       {hash8(other.SHA256), other, ""},
		"too short a beginning":      {other.SHA256[:5], KeptBuild{}, "no kept build is called"},
		"a version of two":           {"1.26.3", KeptBuild{}, "several kept builds are called 1.26.3, name one by its SHA-256"},
		"the beginning of a version": {"1.26", KeptBuild{}, "no kept build is called 1.26; there is 1.26.2 (" + hash8(old.SHA256)},
		"nothing":                    {"", KeptBuild{}, "no kept build"},
		"a path":                     {"../" + filepath.Base(v.Dir), KeptBuild{}, "no kept build"},
		"upper case":                 {strings.ToUpper(old.SHA256), KeptBuild{}, "no kept build"},
		"damaged":                    {"1.28.0", damaged, v.Path("1.28.0", damaged.SHA256) + " is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := v.Find(tt.name)
			if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("error %v, want one with %q", err, tt.says)
			}
			if err == nil {
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestVaultFindInAnEmptyOne(t *testing.T) {
	_, err := Vault{filepath.Join(t.TempDir(), "vault")}.Find("1.26.3")
	if err == nil || !strings.Contains(err.Error(), "no kept build is called 1.26.3") {
		t.Errorf("error %v", err)
	}
}

func TestVaultKeepsModules(t *testing.T) {
	v := Vault{filepath.Join(t.TempDir(), "vault")}
	b := KeptBuild{Version: "1.26.3", SHA256: sha("binary"), Path: "/usr/sbin/nginx"}
	from := filepath.Join(t.TempDir(), "stream.so")
	put(t, from, "module")
	f := KeptFile{Path: "/usr/lib/nginx/modules/stream.so", SHA256: sha("module"), Module: true}
	// Modules come before their binary: without it there is no build.
	if err := v.KeepModule(b, f, from); err != nil {
		t.Fatal(err)
	}
	if builds, err := v.Builds(); len(builds) > 0 || err != nil {
		t.Errorf("a module alone is a build: %+v, %v", builds, err)
	}
	put(t, from, "binary")
	b.Files = []KeptFile{f}
	if err := v.Keep(b, from); err != nil {
		t.Fatal(err)
	}
	got, err := v.Find("1.26.3")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b, got); diff != "" {
		t.Error(diff)
	}
	if text := readText(t, filepath.Join(v.Path(b.Version, b.SHA256), "modules", "stream.so")); text != "module" {
		t.Errorf("the kept module is %q", text)
	}
}

func TestVaultRefusesAnotherModule(t *testing.T) {
	v := Vault{filepath.Join(t.TempDir(), "vault")}
	b := keep(t, v, "1.26.3", "binary")
	from := filepath.Join(t.TempDir(), "stream.so")
	put(t, from, "another module")
	f := KeptFile{Path: "/usr/lib/nginx/modules/stream.so", SHA256: sha("module"), Module: true}
	err := v.KeepModule(b, f, from)
	if err == nil || !strings.Contains(err.Error(), "cannot keep module "+f.Path) {
		t.Errorf("error %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(v.Path(b.Version, b.SHA256), "modules")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A kept binary goes with the modules and libraries that it ran with, and with
// no others.
func TestUnfit(t *testing.T) {
	root, err := nginx.HostRoot()
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	dir := t.TempDir()
	module, library := filepath.Join(dir, "stream.so"), filepath.Join(dir, "libssl.so.3")
	b := KeptBuild{Version: "1.26.3", Files: []KeptFile{{module, sha("module"), true}, {library, sha("library"), false}}}
	for name, tt := range map[string]struct{ module, shared, says string }{
		"the same":                 {"module", "library", ""},
		"another module":           {"newer module", "library", module + " was replaced too, and 1.26.3 was kept with another one"},
		"another library":          {"module", "newer library", library + " was replaced too, and 1.26.3 was kept with another one"},
		"a module that is missing": {"", "library", module + ", which 1.26.3 was built for, cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			put(t, library, tt.shared)
			if err := os.Remove(module); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			if tt.module != "" {
				put(t, module, tt.module)
			}
			if why := b.unfit(root); (why == "") != (tt.says == "") || !strings.Contains(why, tt.says) {
				t.Errorf("got %q, want %q", why, tt.says)
			}
		})
	}
	if why := (KeptBuild{}).unfit(root); why != "" {
		t.Errorf("a build that needs nothing: %s", why)
	}
}
