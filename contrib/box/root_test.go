package box

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Every release whose root is there boots, with an nginx that serves; with the tag
// matrix the roots are built first. Debian 12 is the odd one out only because
// the host usually is one.
func TestReleases(t *testing.T) {
	t.Parallel()
	for _, release := range []string{"bullseye", "bookworm", "trixie", "forky"} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			requireBox(t)
			if _, ok := CachedRoot(release); !ok && !matrix {
				t.Skipf("no root of %s: build it with -tags=matrix or `box root %[1]s`", release)
			}
			root, err := Root(t.Context(), release, t.Output())
			if err != nil {
				t.Fatal(err)
			}
			b := Start(t, Options{Base: root})
			if got := b.Run(t, ". /etc/os-release; echo $ID; systemctl --failed --no-legend"); got != "debian" {
				t.Errorf("it is %s", got)
			}
			t.Log(b.Run(t, "systemctl --version | head -n 1; nginx -v 2>&1"))
			requireNewerNginx(t, b)
			if _, err := os.Stat(filepath.Join(root, "etc/nginx/conf.d/tokens.conf")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the machine wrote into its base: %v", err)
			}
		})
	}
}

// A root that is there is taken at once: no network, no root privileges, no tools.
func TestRootCached(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir, err := CacheDir(roots)
	if err != nil {
		t.Fatal(err)
	}
	want := filepath.Join(dir, "trixie")
	// What a killed build leaves has another name.
	if err := os.MkdirAll(want+".partial", 0o755); err != nil {
		t.Fatal(err)
	}
	if root, ok := CachedRoot("trixie"); ok {
		t.Errorf("took %s", root)
	}
	if err := os.Mkdir(want, 0o755); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	got, err := Root(t.Context(), "trixie", nil)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	if _, err := Root(t.Context(), "../x", nil); err == nil {
		t.Error("took ../x for a release")
	}
}

// The second of two processes waits for the first, and no longer than it has to.
func TestBuildLock(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "roots", "trixie")
	unlock, err := lockBuild(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lockBuild(ended, root); err == nil {
		t.Fatal("locked twice")
	}
	time.AfterFunc(50*time.Millisecond, unlock)
	unlock, err = lockBuild(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}
