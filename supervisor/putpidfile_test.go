package supervisor

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// A pid file is written where the master sees its directory, with nothing beside it.
func TestPutPIDFile(t *testing.T) {
	dir := t.TempDir()
	root, err := nginx.HostRoot()
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("run", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{4711, 12} {
		if err := putPIDFile(root, filepath.Join(dir, "link/nginx.pid"), pid); err != nil {
			t.Fatal(err)
		}
		if got, err := nginx.ReadPIDFile(root, filepath.Join(dir, "run/nginx.pid")); got != pid || err != nil {
			t.Errorf("got %d, %v", got, err)
		}
	}
	left, err := os.ReadDir(filepath.Join(dir, "run"))
	if err != nil || len(left) != 1 {
		t.Fatalf("%v, %v", left, err)
	}
	if info, err := left[0].Info(); err != nil || info.Mode() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := putPIDFile(root, filepath.Join(dir, "missing/nginx.pid"), 12); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
