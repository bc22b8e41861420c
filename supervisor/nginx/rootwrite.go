package nginx

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Directory calls f with a name by which the directory can be reached while f
// runs. It leads to the master's own mount: what is writable for the master is
// so for us.
func (r *Root) Directory(path string, f func(name string) error) error {
	w, err := r.walk(path, true)
	if err != nil {
		return err
	}
	defer w.close()
	return f(fdPath(w.at))
}

// at calls f with the directory of a path and the last component.
func (r *Root) at(op, path string, f func(dir int, name string) error) error {
	w, err := r.walk(filepath.Dir(path), true)
	if err != nil {
		return err
	}
	defer w.close()
	if err := f(int(w.at.Fd()), filepath.Base(path)); err != nil {
		return &os.PathError{Op: op, Path: path, Err: err}
	}
	return nil
}

// Link makes a second name in the same directory.
func (r *Root) Link(path, name string) error {
	return r.at("link", path, func(dir int, base string) error {
		return unix.Linkat(dir, base, dir, filepath.Base(name), 0)
	})
}

// Rename gives a file another name in the same directory.
func (r *Root) Rename(path, name string) error {
	return r.at("rename", path, func(dir int, base string) error {
		return unix.Renameat(dir, base, dir, filepath.Base(name))
	})
}

// Unlink removes a name.
func (r *Root) Unlink(path string) error {
	return r.at("unlink", path, func(dir int, base string) error { return unix.Unlinkat(dir, base, 0) })
}
