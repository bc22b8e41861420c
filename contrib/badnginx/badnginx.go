package badnginx

import (
	_ "embed" // of library/bad.c
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

//go:embed library/bad.c
var source []byte

// Make returns a build of the distribution's nginx that goes wrong in the given
// way. The last digit of its version is changed. Its library is put into dir,
// where it has to stay; after replaces the two seconds of the kinds that take a
// while.
func Make(tb testing.TB, dir string, kind Kind, digit byte, after ...time.Duration) []byte {
	tb.Helper()
	path := nginxtest.Distribution(tb)
	original, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	version, err := nginx.ReadVersion(tb.Context(), path)
	if err != nil {
		tb.Fatal(err)
	}
	library := compile(tb, kind, after)
	installed := filepath.Join(dir, libraryName(kind, digit))
	nginxtest.Install(tb, installed, library)
	newer := version.Number[:len(version.Number)-1] + string(digit)
	return withLibrary(tb, patchVersion(tb, original, version.Number, newer), installed)
}

// InBox makes a build of the machine's own nginx and puts it in place as dst, by
// rename as package managers do. Like Make otherwise. The library is compiled
// on the host and loads on any Debian.
func InBox(tb testing.TB, b *box.Box, dst string, kind Kind, digit byte, after ...time.Duration) {
	tb.Helper()
	const path = "/usr/sbin/nginx"
	original, err := os.ReadFile(b.Path(path))
	if err != nil {
		tb.Fatal(err)
	}
	version, err := nginx.ParseVersion([]byte(b.Run(tb, path+" -V 2>&1")))
	if err != nil {
		tb.Fatal(err)
	}
	installed := "/usr/local/lib/nginx/" + libraryName(kind, digit)
	if err := b.WriteFile(installed, compile(tb, kind, after), 0o755); err != nil {
		tb.Fatal(err)
	}
	newer := version.Number[:len(version.Number)-1] + string(digit)
	bad := withLibrary(tb, patchVersion(tb, original, version.Number, newer), installed)
	if err := b.WriteFile(dst, bad, 0o755); err != nil {
		tb.Fatal(err)
	}
}

func patchVersion(tb testing.TB, original []byte, from, to string) []byte {
	tb.Helper()
	if from == to {
		return original
	}
	patched, err := box.PatchVersion(original, from, to)
	if err != nil {
		tb.Fatal(err)
	}
	return patched
}

// libraryName is another one for each build: one that runs keeps its library.
func libraryName(kind Kind, digit byte) string { return fmt.Sprintf("%s-%c.so", kind, digit) }

// compile returns the library of a kind.
func compile(tb testing.TB, kind Kind, after []time.Duration) []byte {
	tb.Helper()
	if !slices.Contains(Kinds, kind) {
		tb.Fatalf("there is no kind %q", kind) // it would come out good
	}
	wait := defaultAfter
	if len(after) > 0 {
		wait = after[0]
	}
	dir := tb.TempDir()
	from, to := filepath.Join(dir, "bad.c"), filepath.Join(dir, "bad.so")
	if err := os.WriteFile(from, source, 0o600); err != nil {
		tb.Fatal(err)
	}
	macro := strings.ReplaceAll(strings.ToUpper(string(kind)), "-", "_")
	run(tb, "gcc", "-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC",
		"-D"+macro, fmt.Sprintf("-DAFTER_MS=%d", wait.Milliseconds()), "-o", to, from)
	return read(tb, to)
}

// withLibrary makes a program load a library before all others, so that its
// functions are found before those of libc.
func withLibrary(tb testing.TB, program []byte, library string) []byte {
	tb.Helper()
	dir := tb.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	if err := os.WriteFile(from, program, 0o700); err != nil {
		tb.Fatal(err)
	}
	run(tb, "patchelf", "--add-needed", library, "--output", to, from)
	return read(tb, to)
}

func run(tb testing.TB, name string, arg ...string) {
	tb.Helper()
	if _, err := exec.LookPath(name); err != nil {
		nginxtest.Unable(tb, fmt.Sprintf("%s is not installed (apt-get install gcc libc6-dev patchelf)", name))
	}
	if out, err := exec.CommandContext(tb.Context(), name, arg...).CombinedOutput(); err != nil {
		tb.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func read(tb testing.TB, path string) []byte {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}
