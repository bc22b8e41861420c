package box

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Install puts the project into the machine as `make build` and `make install`
// do, from the checkout that the test runs in, and removes nothing that is there.
func (b *Box) Install(tb testing.TB) {
	tb.Helper()
	root, err := Checkout()
	if err != nil {
		tb.Fatal(err)
	}
	for _, args := range [][]string{{"build"}, {"install", "DESTDIR=" + b.Path("/")}} {
		cmd := exec.CommandContext(tb.Context(), "make", append([]string{"--no-print-directory", "-C", root}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			tb.Fatalf("make %s: %v\n%s", args[0], err, out)
		}
	}
	b.Run(tb, "systemctl daemon-reload")
}

// Build compiles a command of the project and puts it into /usr/local/bin of the
// machine.
func (b *Box) Build(tb testing.TB, pkg string) {
	tb.Helper()
	root, err := Checkout()
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

// Deb builds the Debian package with a version, copies it into the machine and
// returns where it is there.
func (b *Box) Deb(tb testing.TB, version string) string {
	tb.Helper()
	root, err := Checkout()
	if err != nil {
		tb.Fatal(err)
	}
	arch, err := exec.CommandContext(tb.Context(), "dpkg", "--print-architecture").Output()
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	build := exec.CommandContext(tb.Context(), filepath.Join(root, "packaging/deb/build"), version, strings.TrimSpace(string(arch)), dir)
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("%v: %v\n%s", build.Args, err, out)
	}
	built, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(built) != 1 {
		tb.Fatalf("packages: %v, %v", built, err)
	}
	to := "/root/" + filepath.Base(built[0])
	if err := b.CopyIn(built[0], to); err != nil {
		tb.Fatal(err)
	}
	return to
}
