package watch

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// realDir returns a new directory by a path without symbolic links.
func realDir(t testing.TB) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// write puts text into a file in place.
func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// skip ends a test that cannot run here. In CI that is a failure.
func skip(t testing.TB, why string) {
	t.Helper()
	if inCI() {
		t.Fatal(why)
	}
	t.Skip(why)
}

// needLeases skips the test where the file system of the temporary directory has no leases.
func needLeases(t testing.TB) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	if _, err := writingAt(file); errors.Is(err, errUnknown) {
		skip(t, err.Error())
	}
}

// writingAt is writing for any path.
func writingAt(path string) (bool, error) {
	t, err := walk(path)
	if err != nil {
		return false, err
	}
	return writing(t.file)
}
