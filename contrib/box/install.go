package box

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Install puts the project into the machine as `make install` does, from the
// checkout that the test runs in, and removes nothing that is there.
func (b *Box) Install(tb testing.TB) {
	tb.Helper()
	root, err := checkout()
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.CommandContext(tb.Context(), "make", "--no-print-directory", "-C", root, "install", "DESTDIR="+b.Path("/"))
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("make install: %v\n%s", err, out)
	}
	b.Run(tb, "systemctl daemon-reload")
}

// Build compiles a command of the project and puts it into /usr/local/bin of the
// machine.
func (b *Box) Build(tb testing.TB, pkg string) {
	tb.Helper()
	root, err := checkout()
	if err != nil {
		tb.Fatal(err)
	}
	out := filepath.Join(tb.TempDir(), filepath.Base(pkg))
	cmd := exec.CommandContext(tb.Context(), "go", "build", "-o", out, pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("go build %s: %v\n%s", pkg, err, text)
	}
	if err := b.CopyIn(out, "/usr/local/bin/"+filepath.Base(pkg)); err != nil {
		tb.Fatal(err)
	}
}

// checkout is the directory of go.mod above the current one.
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil || dir == "/" {
			return dir, err
		}
	}
}
