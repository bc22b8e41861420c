package nginxtest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
)

// Distribution returns the path of the distribution's nginx.
func Distribution(tb testing.TB) string {
	tb.Helper()
	for _, path := range []string{"/usr/sbin/nginx", "/usr/bin/nginx"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	Unable(tb, "nginx is not installed (apt-get install nginx)")
	return ""
}

// Newer returns the distribution's binary with another version of the same
// length, for example 1.22.9 for 1.22.1: the last digit is changed.
func (n *Nginx) Newer(tb testing.TB, digit byte) (data []byte, version string) {
	tb.Helper()
	data, err := os.ReadFile(Distribution(tb))
	if err != nil {
		tb.Fatal(err)
	}
	version = n.Version[:len(n.Version)-1] + string(digit)
	if data, err = box.PatchVersion(data, n.Version, version); err != nil {
		tb.Fatal(err)
	}
	return data, version
}

// Install puts a file in place as package managers do: a temporary name, then
// a rename.
func Install(tb testing.TB, path string, data []byte) {
	tb.Helper()
	tmp := path + ".new"
	if err := WriteProgram(tb.Context(), tmp, data); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		tb.Fatal(err)
	}
}

// WriteProgram writes a file that is to be executed. A process of its own does it:
// what this one has open, a child that is forked just then for another test has
// open, too, until it executes something, and so long the file cannot be executed
// (execve(2), ETXTBSY).
func WriteProgram(ctx context.Context, path string, data []byte) error {
	cmd := exec.CommandContext(ctx, "dd", "of="+path, "bs=1M", "status=none")
	cmd.Stdin = bytes.NewReader(data)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot write %s: %w\n%s", path, err, out)
	}
	return os.Chmod(path, 0o755)
}

// Execute runs a binary until it has gone into the background. The error has its
// output.
func Execute(ctx context.Context, binary string, args ...string) error {
	out, err := exec.CommandContext(ctx, binary, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("nginx: %w\n%s", err, out)
	}
	return nil
}
