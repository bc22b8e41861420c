package supervisor_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

func newVault(t *testing.T) supervisor.Vault {
	return supervisor.Vault{Dir: filepath.Join(t.TempDir(), "vault")}
}

// ourselves is the test's own binary as a build.
func ourselves(t *testing.T) supervisor.KeptBuild {
	t.Helper()
	sha, err := nginx.HashExe(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	return supervisor.KeptBuild{Version: "1.2.3", SHA256: sha, Path: "/usr/sbin/nginx", Kept: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
}

func TestVaultKeepsARunningBinary(t *testing.T) {
	v, b := newVault(t), ourselves(t)
	if has, err := v.Has(b.Version, b.SHA256); has || err != nil {
		t.Fatalf("an empty vault has it: %v, %v", has, err)
	}
	for range 2 { // a second time changes nothing
		if err := v.Keep(b, "/proc/self/exe"); err != nil {
			t.Fatal(err)
		}
	}
	if has, err := v.Has(b.Version, b.SHA256); !has || err != nil {
		t.Errorf("it is not there: %v, %v", has, err)
	}
	kept := filepath.Join(v.Path(b.Version, b.SHA256), "nginx")
	want, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(kept)
	if err != nil || !bytes.Equal(want, got) {
		t.Errorf("%d bytes are kept of %d, %v", len(got), len(want), err)
	}
	if info, err := os.Stat(kept); err != nil || info.Mode() != 0o755 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	builds, err := v.Builds()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]supervisor.KeptBuild{b}, builds); diff != "" {
		t.Error(diff)
	}
}

func TestVaultDetectsAFlippedByte(t *testing.T) {
	v, b := newVault(t), ourselves(t)
	if err := v.Keep(b, "/proc/self/exe"); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(v.Path(b.Version, b.SHA256), "nginx")
	data, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(kept, data, 0o755); err != nil {
		t.Fatal(err)
	}
	if has, err := v.Has(b.Version, b.SHA256); has || err != nil {
		t.Errorf("a changed binary counts: %v, %v", has, err)
	}
	if err := v.Keep(b, "/proc/self/exe"); err != nil {
		t.Fatal(err)
	}
	if has, err := v.Has(b.Version, b.SHA256); !has || err != nil {
		t.Errorf("it was not repaired: %v, %v", has, err)
	}
}

func TestVaultRefusesAnotherHash(t *testing.T) {
	v, b := newVault(t), ourselves(t)
	b.SHA256 = strings.Repeat("ab", 32)
	if err := v.Keep(b, "/proc/self/exe"); err == nil || !strings.Contains(err.Error(), b.SHA256) {
		t.Errorf("got %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(v.Dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("it left %v behind, %v", left, err)
	}
	if err := v.Keep(b, filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing binary is kept")
	}
}

// addBuild puts a made-up build into a vault.
func addBuild(t *testing.T, v supervisor.Vault, version string, kept time.Time) supervisor.KeptBuild {
	t.Helper()
	from := filepath.Join(t.TempDir(), "nginx")
	if err := os.WriteFile(from, []byte(version), 0o755); err != nil {
		t.Fatal(err)
	}
	sha, err := nginx.HashFile(strings.NewReader(version))
	if err != nil {
		t.Fatal(err)
	}
	b := supervisor.KeptBuild{Version: version, SHA256: sha, Path: "/usr/sbin/nginx", Kept: kept}
	if err := v.Keep(b, from); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVaultPrunes(t *testing.T) {
	versions := []string{"1.9", "1.10", "1.8", "1.12", "1.11"} // by the time at which they were kept
	for name, tt := range map[string]struct {
		keep    int
		running string
		want    []string
	}{
		"room enough":                {5, "1.11", versions},
		"the oldest goes":            {4, "1.11", []string{"1.10", "1.8", "1.12", "1.11"}},
		"the oldest runs":            {3, "1.9", []string{"1.9", "1.12", "1.11"}},
		"one, and that runs":         {1, "1.11", []string{"1.11"}},
		"one, and the oldest runs":   {1, "1.9", []string{"1.9"}},
		"two, and one between runs":  {2, "1.8", []string{"1.8", "1.11"}},
		"what runs was never kept":   {2, "2.0", []string{"1.12", "1.11"}},
		"never the last that serves": {0, "1.10", []string{"1.10"}},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault(t)
			running := ""
			for i, version := range versions {
				b := addBuild(t, v, version, time.Unix(int64(1000+i), 0))
				if version == tt.running {
					running = b.SHA256
				}
			}
			if err := v.Prune(tt.keep, running); err != nil {
				t.Fatal(err)
			}
			builds, err := v.Builds()
			if err != nil {
				t.Fatal(err)
			}
			var left []string
			for _, b := range builds {
				left = append(left, b.Version)
				if has, err := v.Has(b.Version, b.SHA256); !has || err != nil {
					t.Errorf("%s is damaged: %v", b.Version, err)
				}
			}
			if diff := cmp.Diff(tt.want, left); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestVaultIgnoresJunk(t *testing.T) {
	v := newVault(t)
	if builds, err := v.Builds(); len(builds) > 0 || err != nil {
		t.Fatalf("no vault has %v, %v", builds, err)
	}
	good := addBuild(t, v, "1.22.1", time.Unix(1000, 0))
	info, err := os.ReadFile(filepath.Join(v.Path(good.Version, good.SHA256), "build.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"empty/build.json":           "",
		"truncated/build.json":       string(info[:len(info)/2]),
		"somewhere-else/build.json":  string(info), // its name says another thing than its contents
		"1.9-deadbeef/nginx":         "without a description",
		"1.8-00000000/build.json/is": "a directory",
		"README":                     "a file",
	} {
		path := filepath.Join(v.Dir, name)
		mkdir(t, filepath.Dir(path))
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	builds, err := v.Builds()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]supervisor.KeptBuild{good}, builds); diff != "" {
		t.Error(diff)
	}
	if err := v.Prune(1, ""); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(v.Dir, "README")); err != nil {
		t.Error(err)
	}
}

// TestVaultPathStaysInside gives it a version that a hostile binary could say.
func TestVaultPathStaysInside(t *testing.T) {
	v := supervisor.Vault{Dir: "/lib/x/vault/nginx"}
	for _, version := range []string{"", "..", "../../../etc", "/etc", "1.22.1/../../.."} {
		if path := v.Path(version, "../../abcdef"); filepath.Dir(path) != v.Dir {
			t.Errorf("Path(%q) = %s", version, path)
		}
	}
}
