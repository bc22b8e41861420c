package nginx

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestRemembering changes a file in the ways that editors and packages do, and
// looks whether the new one is seen.
func TestRemembering(t *testing.T) {
	const included = "/etc/nginx/site.conf"
	root := confTree{mainConf: "http { include site.conf; }", included: "server_name a;"}.root(t)
	path := filepath.Join(root.dir.Name(), included)
	f := Files{Config: mainConf}.Remembering()
	f.memo.now = func() time.Time { return time.Now().Add(time.Hour) }
	for _, step := range []struct {
		name   string
		change func() error
		want   []string
	}{
		{"as it was", func() error { return nil }, []string{"a"}},
		{"nothing has changed", func() error { return nil }, []string{"a"}},
		{"written again", func() error { return os.WriteFile(path, []byte("server_name a b;"), 0o644) }, []string{"a", "b"}},
		{"another in its place, of the same size", func() error {
			if err := os.WriteFile(path+".new", []byte("server_name a c;"), 0o644); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		}, []string{"a", "c"}},
		{"its old time is given back", func() error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			if err := os.WriteFile(path, []byte("server_name a d;"), 0o644); err != nil {
				return err
			}
			return os.Chtimes(path, info.ModTime(), info.ModTime())
		}, []string{"a", "d"}},
		{"removed", func() error { return os.Remove(path) }, nil},
	} {
		time.Sleep(10 * time.Millisecond) // the kernel's clock for files ticks every 4 ms
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, f.ServerNames(root, 10)); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
	}
}

// A file that was written just now may be written once more without its times
// showing it.
func TestRememberingNotYet(t *testing.T) {
	root := confTree{mainConf: "server_name a;"}.root(t)
	f := Files{Config: mainConf}.Remembering()
	f.memo.now = func() time.Time { return time.Now().Add(-time.Second) }
	if names := f.ServerNames(root, 10); len(names) != 1 || len(f.memo.known) != 0 {
		t.Errorf("names %v, remembered %v", names, f.memo.known)
	}
}
