package watch

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// notifier is the part of *fsnotify.Watcher that sets watches. Time in the tests is synthetic, and a goroutine that reads
// an inotify descriptor would keep it from passing.
type notifier interface {
	Add(dir string) error
	Remove(dir string) error
	WatchList() []string
}

// dirs is the set of watched directories.
type dirs struct {
	notifier
	log    *slog.Logger
	armed  map[dirID]armed
	byPath map[string]dirID   // the same, the other way round
	users  map[place][]string // followed paths, by the names that they depend on
	failed map[dirID]string   // directories that cannot be watched and why, to say it once
}

// armed is a directory that is watched.
type armed struct {
	path  string   // as given to the kernel
	users []string // the followed paths that pass through it
}

func newDirs(n notifier, log *slog.Logger) *dirs {
	return &dirs{notifier: n, log: log, armed: map[dirID]armed{}, failed: map[dirID]string{}}
}

// arm makes the watches those that the trails need. It returns the followed paths that had lost a watch, and whether watches
// were added: then things may have happened in these directories before, and the trails are to be walked again.
func (d *dirs) arm(trails map[string]trail) (lost []string, added bool) {
	want := map[dirID][]string{}
	users := map[dirID][]string{}
	for path, t := range trails {
		for dir, id := range t.dirs {
			want[id] = append(want[id], dir)
			users[id] = append(users[id], path)
		}
	}
	listed := d.WatchList()
	for id, a := range d.armed {
		if slices.Contains(listed, a.path) && slices.Contains(want[id], a.path) {
			continue
		}
		delete(d.armed, id)
		if d.drop(id, a.path, listed) {
			lost = append(lost, a.users...)
		}
	}
	for id, paths := range want {
		if _, ok := d.armed[id]; !ok {
			added = d.add(id, slices.Min(paths)) || added
		}
	}
	d.index(trails, users)
	return lost, added
}

// drop ends a watch that is gone or needed no longer, and reports whether it was lost rather than given up: the kernel has
// it no more, or its path shows another directory.
func (d *dirs) drop(id dirID, dir string, listed []string) bool {
	was := slices.Contains(listed, dir)
	if was {
		// The error is EINVAL if the kernel was faster; the aim is reached in any case.
		_ = d.Remove(dir)
	}
	if now, err := identify(dir); was && err == nil && now == id {
		return false
	}
	d.log.Debug("watch lost, looking for the directory by its path", "dir", dir)
	return true
}

// add watches dir and reports whether the trails must be walked again.
func (d *dirs) add(id dirID, dir string) bool {
	if err := d.Add(dir); err != nil {
		return d.refused(id, dir, err)
	}
	delete(d.failed, id)
	if now, err := identify(dir); err != nil || now != id {
		_ = d.Remove(dir) // replaced between the walk and the watch
		return true
	}
	d.armed[id] = armed{path: dir}
	return true
}

// refused says once that a directory cannot be watched. The next survey tries again.
func (d *dirs) refused(id dirID, dir string, err error) bool {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return true // gone since the walk
	}
	err = explain(dir, err)
	if d.failed[id] != err.Error() {
		d.failed[id] = err.Error()
		d.log.Error("only the slow timer looks after a directory", "dir", dir, "error", err)
	}
	return false
}

// index prepares the answers of concerned.
func (d *dirs) index(trails map[string]trail, users map[dirID][]string) {
	d.byPath = make(map[string]dirID, len(d.armed))
	for id, a := range d.armed {
		a.users = users[id]
		d.armed[id] = a
		d.byPath[a.path] = id
	}
	d.users = map[place][]string{}
	for path, t := range trails {
		for _, p := range t.places {
			d.users[p] = append(d.users[p], path)
		}
	}
	maps.DeleteFunc(d.failed, func(id dirID, _ string) bool { return users[id] == nil })
}

// concerned returns the followed paths that an event may concern: its name is one that they look up in that very directory,
// or it is about a watched directory itself, which has then moved or gone.
func (d *dirs) concerned(ev fsnotify.Event) []string {
	name := filepath.Clean(ev.Name) // fsnotify gives //usr for an entry of the root
	var paths []string
	if id, ok := d.byPath[filepath.Dir(name)]; ok {
		paths = append(paths, d.users[place{id, filepath.Base(name)}]...)
	}
	if id, ok := d.byPath[name]; ok && ev.Op&(fsnotify.Remove|fsnotify.Rename) != 0 {
		paths = append(paths, d.armed[id].users...)
	}
	return paths
}

// explain adds the remedy to the errors of inotify's limits (inotify(7), "/proc interfaces").
func explain(what string, err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC):
		return fmt.Errorf("cannot watch %s: the limit of inotify watches is reached, raise it with "+
			"sysctl fs.inotify.max_user_watches: %w", what, err)
	case errors.Is(err, unix.EMFILE):
		return fmt.Errorf("cannot watch %s: the limit of inotify instances or of open files is reached, raise it with "+
			"sysctl fs.inotify.max_user_instances or LimitNOFILE=: %w", what, err)
	}
	return fmt.Errorf("cannot watch %s: %w", what, err)
}
