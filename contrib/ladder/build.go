package ladder

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
)

const nginxPath = "usr/sbin/nginx"

// nameService is what the C library before 2.34 loads by itself to find nginx's
// user in /etc/passwd. Later ones have it built in, and an empty file of the name.
const nameService = "libnss_files.so.2"

// Build makes the nginx of a Debian, whose root directory is root, run in another
// one: dir/nginx is the binary and dir/lib what it loads. They have to be at the
// absolute path at when it runs.
func Build(tb testing.TB, root, dir, at string) {
	tb.Helper()
	if _, err := exec.LookPath("patchelf"); err != nil {
		nginxtest.Unable(tb, "patchelf is not installed (apt-get install patchelf)")
	}
	binary := filepath.Join(root, nginxPath)
	loader, err := interpreter(binary)
	if err != nil {
		tb.Fatal(err)
	}
	libraries, err := needed(root, binary, filepath.Base(loader), nameService)
	if err != nil {
		tb.Fatal(err)
	}
	for _, from := range libraries {
		if err := copyFile(from, filepath.Join(dir, "lib", filepath.Base(from))); err != nil {
			tb.Fatal(err)
		}
	}
	// RPATH instead of RUNPATH: it holds for what the libraries load, too.
	cmd := exec.CommandContext(tb.Context(), "patchelf", "--set-interpreter", filepath.Join(at, "lib", filepath.Base(loader)),
		"--force-rpath", "--set-rpath", filepath.Join(at, "lib"), "--output", filepath.Join(dir, "nginx"), binary)
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("patchelf: %v\n%s", err, out)
	}
}

// interpreter returns the dynamic linker that a program asks for.
func interpreter(program string) (string, error) {
	f, err := elf.Open(program)
	if err != nil {
		return "", fmt.Errorf("cannot read %s: %w", program, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			path, err := io.ReadAll(p.Open())
			return string(bytes.TrimRight(path, "\x00")), err
		}
	}
	return "", fmt.Errorf("cannot take %s along: it is linked statically", program)
}

// needed returns the files in root that a program and the libraries it starts
// with are linked to, directly or not, each under the name that is asked for.
func needed(root, program string, names ...string) ([]string, error) {
	found := []string{}
	todo := []string{program}
	for len(todo) > 0 || len(names) > 0 {
		for _, file := range todo {
			imported, err := imports(file)
			if err != nil {
				return nil, err
			}
			names = append(names, imported...)
		}
		todo = nil
		for _, name := range names {
			path, err := find(root, name)
			if err != nil {
				return nil, err
			}
			if !slices.Contains(found, path) {
				found, todo = append(found, path), append(todo, path)
			}
		}
		names = nil
	}
	return found, nil
}

func imports(file string) ([]string, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", file, err)
	}
	defer f.Close()
	return f.ImportedLibraries()
}

// find looks where Debian has its libraries: the links there are relative, which
// those of the dynamic linker's path are not.
func find(root, name string) (string, error) {
	for _, dir := range []string{"usr/lib", "lib"} {
		paths, err := filepath.Glob(filepath.Join(root, dir, "*-linux-gnu*", name))
		if err != nil {
			return "", err
		}
		if len(paths) == 1 {
			return paths[0], nil
		}
	}
	return "", fmt.Errorf("cannot find %s in %s", name, filepath.Clean(root))
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}
