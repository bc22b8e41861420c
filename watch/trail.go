package watch

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

// maxHops is how many symbolic links a walk follows, as many as the kernel (path_resolution(7)).
const maxHops = 40

// processRoot matches the prefix of a path that is meant inside the root directory of a process (proc_pid_root(5)).
var processRoot = regexp.MustCompile(`^/proc/(?:self|thread-self|[0-9]+(?:/task/[0-9]+)?)/root(?:/|$)`)

// dirID is the identity of a directory. Two paths may show the same one (bind mounts, /proc/PID/root), and inotify knows
// directories by inode: the second path gets the watch of the first.
type dirID struct{ dev, ino uint64 }

// place is a name that is looked up in a directory on the way to a file.
type place struct {
	dir  dirID
	base string
}

// trail is the way from the root to a file, as far as it exists.
type trail struct {
	dirs   map[string]dirID // directories in which a name was looked up, by a path without symbolic links
	places []place          // the names, in the order of the walk
	file   string           // where the walk ended, without symbolic links; empty if the file is not there
	stamp  Stamp
}

// stop is a directory in which a walk stands, and its identity.
type stop struct {
	path string
	id   dirID
}

// walker follows a path name by name. It exists because watching needs every directory on the way, which neither
// filepath.EvalSymlinks nor openat2 tells, and also when the way ends early.
type walker struct {
	trail
	stack []stop   // from the root to where we are; ".." pops and never goes above the root
	todo  []string // names still to look up
	hops  int
}

// walk follows path to its end. The trail is good as far as it goes even if there is an error.
func walk(path string) (trail, error) {
	root, rest := splitRoot(path)
	w := walker{trail: trail{dirs: map[string]dirID{}}, todo: names(rest)}
	id, err := identify(root)
	if err != nil {
		return w.trail, err
	}
	w.stack = []stop{{root, id}}
	for len(w.todo) > 0 {
		if err := w.step(); err != nil {
			return w.trail, err
		}
	}
	return w.trail, nil
}

// step looks up the next name.
func (w *walker) step() error {
	name := w.todo[0]
	w.todo = w.todo[1:]
	if name == ".." {
		w.stack = w.stack[:max(1, len(w.stack)-1)]
		return nil
	}
	here := w.stack[len(w.stack)-1]
	w.dirs[here.path] = here.id
	w.places = append(w.places, place{here.id, name})
	full := filepath.Join(here.path, name)

	var st unix.Stat_t
	if err := unix.Lstat(full, &st); err != nil {
		return err
	}
	last := len(w.todo) == 0
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		return w.hop(full)
	case unix.S_IFDIR:
		w.stack = append(w.stack, stop{full, dirID{uint64(st.Dev), st.Ino}})
	default:
		if !last {
			return unix.ENOTDIR
		}
	}
	if last {
		w.file = full
		w.stamp.fill(&st)
	}
	return nil
}

// hop puts the text of a symbolic link in front of the names that are left.
func (w *walker) hop(link string) error {
	if w.hops++; w.hops > maxHops {
		return unix.ELOOP
	}
	target, err := os.Readlink(link)
	if err != nil {
		return err
	}
	w.stamp.Links += target + "\n"
	w.todo = append(names(target), w.todo...)
	if filepath.IsAbs(target) {
		w.stack = w.stack[:1]
	}
	return nil
}

// splitRoot cuts path into the directory that absolute links start from and the rest. Relative paths start at the current
// directory.
func splitRoot(path string) (root, rest string) {
	if !filepath.IsAbs(path) {
		if dir, err := os.Getwd(); err == nil {
			path = dir + "/" + path
		}
	}
	if prefix := processRoot.FindString(path); prefix != "" {
		return strings.TrimSuffix(prefix, "/"), path[len(prefix):]
	}
	return "/", path
}

// names splits a path at its slashes. It does not clean "..", which is not lexical where links are.
func names(path string) []string {
	return strings.FieldsFunc(strings.ReplaceAll("/"+path+"/", "/./", "//"), func(r rune) bool { return r == '/' })
}

// identify returns the identity of the directory that dir shows now.
func identify(dir string) (dirID, error) {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return dirID{}, err
	}
	return dirID{uint64(st.Dev), st.Ino}, nil
}
