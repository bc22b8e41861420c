package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// maze makes a tree of directories, files and links:
//
//	usr/sbin/nginx -> ../lib/current/nginx, usr/lib/current -> 1.0, usr/lib/1.0/nginx, sbin -> usr/sbin, loop -> loop, file
func maze(t *testing.T) string {
	t.Helper()
	dir := realDir(t)
	for _, d := range []string{"usr/sbin", "usr/lib/1.0"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "usr/lib/1.0/nginx"), "nginx")
	write(t, filepath.Join(dir, "file"), "")
	for link, target := range map[string]string{
		"usr/sbin/nginx": "../lib/current/nginx", "usr/lib/current": "1.0", "sbin": dir + "/usr/sbin", "loop": "loop",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestWalk(t *testing.T) {
	dir := maze(t)
	const all = ". usr usr/lib usr/lib/1.0 usr/sbin"
	tests := []struct {
		path string
		dirs string // those below the maze
		file string
		err  error
	}{
		{"usr/lib/1.0/nginx", ". usr usr/lib usr/lib/1.0", "usr/lib/1.0/nginx", nil},
		{"usr/sbin/nginx", all, "usr/lib/1.0/nginx", nil},
		{"sbin/nginx", all, "usr/lib/1.0/nginx", nil},
		{"sbin/./..//lib/../sbin/nginx", all, "usr/lib/1.0/nginx", nil},
		{"usr/lib", ". usr", "usr/lib", nil},
		{"none/at/all", ".", "", fs.ErrNotExist},
		{"usr/sbin/other", ". usr usr/sbin", "", fs.ErrNotExist},
		{"loop", ".", "", unix.ELOOP},
		{"file/nginx", ".", "", unix.ENOTDIR},
		{"file/", ".", "file", nil}, // the kernel says ENOTDIR; a slash too many is no reason to see nothing
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			got, err := walk(dir + "/" + tt.path)
			if !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(strings.Fields(tt.dirs), below(dir, got.dirs)); diff != "" {
				t.Errorf("directories (-want +got):\n%s", diff)
			}
			if tt.file != "" {
				tt.file = filepath.Join(dir, tt.file)
			}
			if got.file != tt.file {
				t.Errorf("file %q, want %q", got.file, tt.file)
			}
			if tt.err == nil {
				sameAsKernel(t, dir+"/"+strings.TrimSuffix(tt.path, "/"), got)
			}
		})
	}
}

// below returns the directories in the maze by their relative paths.
func below(dir string, dirs map[string]dirID) []string {
	var rel []string
	for _, d := range slices.Sorted(maps.Keys(dirs)) {
		if d == dir || strings.HasPrefix(d, dir+"/") {
			rel = append(rel, "."+strings.TrimPrefix(d, dir))
		}
	}
	for i := range rel {
		rel[i] = filepath.Clean(rel[i])
	}
	return rel
}

// sameAsKernel compares a walk with stat(2).
func sameAsKernel(t *testing.T, path string, got trail) {
	t.Helper()
	want, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Lstat(got.file)
	if err != nil || !os.SameFile(want, file) || got.stamp.Size != want.Size() || got.stamp.Mtime != want.ModTime().UnixNano() {
		t.Errorf("the walk came to %s (%+v, %v), the kernel comes to another file", got.file, got.stamp, err)
	}
}

func TestWalkStaysInsideTheRootOfAProcess(t *testing.T) {
	for _, prefix := range []string{"/proc/self/root", "/proc/thread-self/root", fmt.Sprintf("/proc/%d/root", os.Getpid())} {
		got, err := walk(prefix + "/../../../proc/version")
		if err != nil || got.file != prefix+"/proc/version" {
			t.Errorf("walk came to %q, %v", got.file, err)
		}
	}
	dir := maze(t)
	got, err := walk("/proc/self/root" + dir + "/sbin/nginx") // sbin is an absolute link
	if want := "/proc/self/root" + dir + "/usr/lib/1.0/nginx"; err != nil || got.file != want {
		t.Errorf("walk came to %q, %v, want %q", got.file, err, want)
	}
	if _, err := walk("/proc/0/root/etc"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a process that is not there gives %v", err)
	}
}

func TestStampOf(t *testing.T) {
	dir := maze(t)
	path := filepath.Join(dir, "sbin/nginx")
	stamp := func() Stamp {
		t.Helper()
		s, err := StampOf(path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := stamp()
	if want := dir + "/usr/sbin\n../lib/current/nginx\n1.0\n"; first.Links != want {
		t.Errorf("links %q, want %q", first.Links, want)
	}
	if first != stamp() {
		t.Error("two looks at the same file differ")
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, "NGINX") // as long as before
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if second := stamp(); second == first || second.Mtime != first.Mtime {
		t.Errorf("a rewritten file with its old mtime has the stamp %+v, before %+v", second, first)
	}
	if s, err := StampOf(dir + "/none"); !errors.Is(err, fs.ErrNotExist) || s != (Stamp{}) {
		t.Errorf("a missing file has %+v, %v", s, err)
	}
}
