package watch

import (
	"bytes"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// armedFor returns dirs that watch what the files need.
func armedFor(t *testing.T, n notifier, log *slog.Logger, files ...string) *dirs {
	t.Helper()
	d := newDirs(n, log)
	trails := map[string]trail{}
	for _, f := range files {
		trails[f], _ = walk(f)
	}
	d.arm(trails)
	return d
}

func TestOnlyExactNamesConcern(t *testing.T) {
	dir := realDir(t)
	file := filepath.Join(dir, "nginx")
	write(t, file, "")
	d := armedFor(t, &paper{}, slog.New(slog.DiscardHandler), file)
	tests := []struct {
		name string
		op   fsnotify.Op
		want bool
	}{
		{file, fsnotify.Write, true},
		{file, fsnotify.Create, true},
		{file, fsnotify.Chmod, true},
		{file + ".dpkg-new", fsnotify.Create, false},
		{file + ".dpkg-tmp", fsnotify.Create, false},
		{file + ".dpkg-old", fsnotify.Rename, false},
		{file + ".dpkg-dist", fsnotify.Create, false},
		{file + ";6b0305f1", fsnotify.Create, false},
		{dir + "/.nginx.Ab3dEf", fsnotify.Create, false},
		{file + "~", fsnotify.Create, false},
		{dir + "/.nginx.swp", fsnotify.Create, false},
		{dir + "/ngin", fsnotify.Create, false},
		{file + "/nginx", fsnotify.Create, false},
		{dir, fsnotify.Rename, true},                               // the directory itself
		{dir, fsnotify.Remove, true},                               //
		{"/", fsnotify.Chmod, false},                               // the root itself
		{"//" + strings.Split(dir, "/")[1], fsnotify.Rename, true}, // how fsnotify names an entry of the root
		{"", 0, false},
	}
	for _, tt := range tests {
		if got := len(d.concerned(fsnotify.Event{Name: tt.name, Op: tt.op})) > 0; got != tt.want {
			t.Errorf("%s of %s concerns us: %v, want %v", tt.op, tt.name, got, tt.want)
		}
	}
}

// Two paths to one directory are one watch: inotify knows inodes only, and gives the events under the first path.
func TestOneWatchPerDirectory(t *testing.T) {
	file := filepath.Join(realDir(t), "nginx")
	write(t, file, "")
	alias := "/proc/self/root" + file
	n := &paper{}
	d := armedFor(t, n, slog.New(slog.DiscardHandler), file, alias)
	if got, want := n.WatchList(), strings.Count(file, "/"); len(got) != want {
		t.Errorf("%d watches, want %d: %v", len(got), want, got)
	}
	if got := d.concerned(fsnotify.Event{Name: d.armed[mustIdentify(t, filepath.Dir(file))].path + "/nginx", Op: fsnotify.Write}); len(got) != 2 {
		t.Errorf("a write concerns %v, want both paths", got)
	}
	if lost, added := d.arm(map[string]trail{file: mustWalk(t, file), alias: mustWalk(t, alias)}); len(lost) > 0 || added {
		t.Errorf("the second time something was lost (%v) or added (%v)", lost, added)
	}
}

func mustIdentify(t *testing.T, dir string) dirID {
	t.Helper()
	id, err := identify(dir)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func mustWalk(t *testing.T, path string) trail {
	t.Helper()
	tr, err := walk(path)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestWatchLimitIsSaidOnceWithTheRemedy(t *testing.T) {
	file := filepath.Join(realDir(t), "nginx")
	write(t, file, "")
	var log bytes.Buffer
	n := &paper{err: unix.ENOSPC}
	d := armedFor(t, n, slog.New(slog.NewTextHandler(&log, nil)), file)
	trails := map[string]trail{file: mustWalk(t, file)}
	d.arm(trails)
	if got, want := strings.Count(log.String(), "fs.inotify.max_user_watches"), strings.Count(file, "/"); got != want {
		t.Errorf("the remedy was named %d times, want once for each of %d directories:\n%s", got, want, log.String())
	}
	n.err = nil
	if _, added := d.arm(trails); !added || len(d.failed) > 0 {
		t.Errorf("no watch was added when there was room again, failed %v", d.failed)
	}
}

func TestExplain(t *testing.T) {
	for errno, remedy := range map[unix.Errno]string{
		unix.ENOSPC: "sysctl fs.inotify.max_user_watches",
		unix.EMFILE: "sysctl fs.inotify.max_user_instances",
		unix.EACCES: "permission denied",
	} {
		if err := explain("files", errno); !errors.Is(err, errno) || !strings.Contains(err.Error(), remedy) {
			t.Errorf("%v does not name %q", err, remedy)
		}
	}
}
