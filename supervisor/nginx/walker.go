package nginx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// walker is on its way to a file.
type walker struct {
	root  *Root
	at    *os.File // where it is, O_PATH; the root's own at the beginning
	path  string   // its name
	links int
	met   []Entry
}

// maxLinks is as in the kernel, path_resolution(7).
const maxLinks = 40

// walk goes to a path. It follows a symbolic link at the very end only if told
// to. The walker must be closed.
func (r *Root) walk(path string, follow bool) (*walker, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("%q is not an absolute path", path)
	}
	w := &walker{root: r, at: r.dir, path: "/"}
	if err := w.note(); err != nil {
		return nil, err
	}
	todo := components(path)
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		target, err := w.step(name)
		if err != nil {
			w.close()
			return nil, &os.PathError{Op: "open", Path: path, Err: err}
		}
		if target == "" || !follow && len(todo) == 0 {
			continue
		}
		if err := w.leaveLink(target); err != nil {
			w.close()
			return nil, &os.PathError{Op: "open", Path: path, Err: err}
		}
		todo = append(components(target), todo...)
	}
	return w, nil
}

// step goes to one entry of the present directory. For a symbolic link it
// returns the target.
func (w *walker) step(name string) (target string, err error) {
	if name == ".." {
		name, w.path = "..", filepath.Dir(w.path)
		if w.path == "/" {
			w.move(w.root.dir)
			return "", nil
		}
	} else {
		w.path = filepath.Join(w.path, name)
	}
	fd, err := unix.Openat(int(w.at.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	w.move(os.NewFile(uintptr(fd), w.path))
	if err := w.note(); err != nil {
		return "", err
	}
	if w.met[len(w.met)-1].Info.Mode()&os.ModeSymlink == 0 {
		return "", nil
	}
	return readLink(fd)
}

// leaveLink goes back to the directory of a link, or to the root, from where
// its target is to be resolved.
func (w *walker) leaveLink(target string) error {
	if w.links++; w.links > maxLinks {
		return unix.ELOOP
	}
	dir := "/"
	if !filepath.IsAbs(target) {
		dir = filepath.Dir(w.path)
	}
	back, err := w.root.walk(dir, true)
	if err != nil {
		return err
	}
	if back.at == w.root.dir {
		w.move(w.root.dir)
	} else {
		w.move(back.at)
	}
	w.path = back.path
	return nil
}

func (w *walker) move(to *os.File) {
	if w.at != w.root.dir {
		w.at.Close()
	}
	w.at = to
}

func (w *walker) close() { w.move(w.root.dir) }

func (w *walker) note() error {
	e, err := Describe(w.at)
	if err != nil {
		return err
	}
	e.Path = w.path
	w.met = append(w.met, e)
	return nil
}

// components keeps "..": behind a symbolic link it is not the lexical parent.
func components(path string) []string {
	var names []string
	for name := range strings.SplitSeq(path, "/") {
		if name != "" && name != "." {
			names = append(names, name)
		}
	}
	return names
}

func readLink(fd int) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	if err != nil {
		return "", err
	}
	if n == 0 || n == len(buf) {
		return "", errors.New("symbolic link without a usable target")
	}
	return string(buf[:n]), nil
}
