package nginx

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// at opens the directory of a path, symbolic links resolved inside the root,
// and calls f with its descriptor and the last component. The descriptor
// belongs to the master's own mount, so what is writable for the master is so
// for us.
func (r *Root) at(op, path string, f func(dir int, name string) error) error {
	dir, err := r.openat(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := f(int(dir.Fd()), filepath.Base(path)); err != nil {
		return &os.PathError{Op: op, Path: path, Err: err}
	}
	return nil
}

// Lstat describes a path itself, not what a symbolic link leads to.
func (r *Root) Lstat(path string) (os.FileInfo, error) { return r.lstat(path) }

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
