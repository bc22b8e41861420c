package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
)

// Others can read the file, whatever our umask, and never see half of one.
func TestTextfile(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077))
	dir := t.TempDir()
	w, err := fsnotify.NewBufferedWatcher(100)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Add(dir); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := writeTextfile(dir, []byte("a 1\n")); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, textfileName)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o644 {
		t.Errorf("mode %v", info.Mode())
	}
	if err := removeTextfile(dir); err != nil {
		t.Fatal(err)
	}
	for {
		e := <-w.Events
		if e.Has(fsnotify.Write) && filepath.Ext(e.Name) == ".prom" {
			t.Errorf("node_exporter may meet %s while it is written", e.Name)
		}
		if e.Has(fsnotify.Remove) && e.Name == path {
			break
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if err := removeTextfile(dir); err != nil {
		t.Errorf("removed twice: %v", err)
	}
}

func TestTextfileDirectory(t *testing.T) {
	for name, tt := range map[string]struct {
		root    bool
		prepare func(t *testing.T, dir string) error
		remedy  string // "" where it is written
	}{
		"an ordinary one":         {prepare: func(*testing.T, string) error { return nil }},
		"everybody may write":     {prepare: func(_ *testing.T, dir string) error { return os.Chmod(dir, 0o777) }, remedy: "chmod o-w"},
		"a sticky one":            {prepare: func(_ *testing.T, dir string) error { return os.Chmod(dir, 0o777|os.ModeSticky) }},
		"somebody else's":         {root: true, prepare: func(_ *testing.T, dir string) error { return os.Chown(dir, 4711, 4711) }},
		"a link of ours":          {prepare: func(_ *testing.T, dir string) error { return linked(dir) }},
		"a link of somebody else": {root: true, prepare: func(_ *testing.T, dir string) error { return errors.Join(linked(dir), os.Lchown(dir, 4711, 4711)) }, remedy: "without links"},
		"missing":                 {prepare: func(_ *testing.T, dir string) error { return os.Remove(dir) }, remedy: "create the directory"},
		"a file": {prepare: func(_ *testing.T, dir string) error {
			return errors.Join(os.Remove(dir), os.WriteFile(dir, nil, 0o644))
		}, remedy: "tried again"},
		"the file is a link": {prepare: func(t *testing.T, dir string) error {
			t.Cleanup(func() { empty(t, dir+"-precious") })
			return errors.Join(os.WriteFile(dir+"-precious", nil, 0o600), os.Symlink(dir+"-precious", filepath.Join(dir, textfileName)))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.root && os.Geteuid() != 0 {
				nginxtest.Unable(t, "only root may give files away")
			}
			dir := filepath.Join(t.TempDir(), "dir")
			if err := errors.Join(os.Mkdir(dir, 0o755), tt.prepare(t, dir)); err != nil {
				t.Fatal(err)
			}
			err := writeTextfile(dir, []byte("a 1\n"))
			if tt.remedy == "" && err != nil || tt.remedy != "" && (err == nil || !strings.Contains(textfileRemedy(dir, err), tt.remedy)) {
				t.Errorf("error %v, want remedy %q", err, tt.remedy)
			}
			if there(dir) != (tt.remedy == "") {
				t.Errorf("there: %v", there(dir))
			}
		})
	}
}

// linked puts a link in the place of a directory.
func linked(dir string) error {
	return errors.Join(os.Rename(dir, dir+"-real"), os.Symlink(dir+"-real", dir))
}

// empty checks that a file was not touched.
func empty(t *testing.T, path string) {
	info, err := os.Lstat(path)
	if err != nil || info.Size() != 0 || info.Mode() != 0o600 {
		t.Errorf("%s: %v, %v", path, info, err)
	}
}
