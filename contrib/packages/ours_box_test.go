//go:build box

package packages

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// workDir is where our package is built, until all tests are over.
var workDir string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if workDir, err = os.MkdirTemp("", "nginx-hotswap-packages-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(workDir)
	code := m.Run()
	if len(rows.list) > 0 {
		fmt.Print(table(rows.list))
	}
	return code
}

var built = sync.OnceValues(func() (string, error) { return buildOurs(workDir) })

// ourPackage returns the package that `make deb` makes of this checkout.
func ourPackage(t *testing.T) string {
	t.Helper()
	deb, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return deb
}

// buildOurs builds our Debian package into dir.
func buildOurs(dir string) (string, error) {
	root := filepath.Join("..", "..")
	version, err := exec.Command(filepath.Join(root, "packaging/version")).Output()
	if err != nil {
		return "", fmt.Errorf("packaging/version: %w", err)
	}
	arch, err := exec.Command("dpkg", "--print-architecture").Output()
	if err != nil {
		return "", fmt.Errorf("dpkg --print-architecture: %w", err)
	}
	build := exec.Command(filepath.Join(root, "packaging/deb/build"), strings.TrimSpace(string(version)), strings.TrimSpace(string(arch)), dir)
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("packaging/deb/build: %w", err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("packaging/deb/build made %v: %w", found, err)
	}
	return found[0], nil
}
