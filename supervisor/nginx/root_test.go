package nginx

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// A root directory with links of every kind in it.
func testRoot(t *testing.T) *Root {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"usr/sbin", "opt/nginx-1/sbin", "etc/alternatives"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"sbin":                   "usr/sbin",                // relative
		"opt/nginx":              "/opt/nginx-1",            // absolute, inside the root
		"usr/sbin/nginx":         "/etc/alternatives/nginx", // two hops
		"etc/alternatives/nginx": "../../opt/nginx/sbin/nginx",
		"outside":                "../../../../etc/passwd", // stays inside
		"loop":                   "loop",
		"dangling":               "nowhere",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "opt/nginx-1/sbin/nginx"), []byte("binary"), 0o755); err != nil {
		t.Fatal(err)
	}
	r, err := openRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestRootWalk(t *testing.T) {
	r := testRoot(t)
	met, err := r.Walk("/sbin/nginx")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range met {
		got = append(got, e.Path)
	}
	want := []string{"/", "/sbin", "/usr", "/usr/sbin", "/usr/sbin/nginx", "/etc", "/etc/alternatives",
		"/etc/alternatives/nginx", "/etc", "/opt", "/opt/nginx", "/opt", "/opt/nginx-1", "/opt/nginx-1/sbin", "/opt/nginx-1/sbin/nginx"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRootOpen(t *testing.T) {
	r := testRoot(t)
	f, err := r.Open("/sbin/../sbin/nginx")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if data, err := io.ReadAll(f); err != nil || string(data) != "binary" {
		t.Errorf("got %q, %v", data, err)
	}
	for path, want := range map[string]error{
		"/outside":             os.ErrNotExist, // /etc/passwd inside the root
		"/loop":                unix.ELOOP,
		"/dangling":            os.ErrNotExist,
		"/sbin/nginx/below":    unix.ENOTDIR,
		"/../../../../missing": os.ErrNotExist,
	} {
		if _, err := r.Open(path); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", path, err, want)
		}
	}
	if _, err := r.Open("relative"); err == nil {
		t.Error("a relative path was opened")
	}
}

func TestRootChanges(t *testing.T) {
	r := testRoot(t)
	steps := []error{
		r.Link("/opt/nginx/sbin/nginx", "/opt/nginx/sbin/kept"),
		r.Unlink("/opt/nginx/sbin/nginx"),
		r.Rename("/opt/nginx/sbin/kept", "/opt/nginx/sbin/nginx"),
	}
	if err := errors.Join(steps...); err != nil {
		t.Fatal(err)
	}
	if info, err := r.Lstat("/opt/nginx/sbin/nginx"); err != nil || info.Size() != 6 {
		t.Errorf("got %v, %v", info, err)
	}
	if info, err := r.Lstat("/usr/sbin/nginx"); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("Lstat followed the link: %v, %v", info, err)
	}
}
