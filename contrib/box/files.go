package box

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxLinks is the kernel's limit of symbolic links in one path, path_resolution(7).
const maxLinks = 40

// Path returns the host's path of a file in the machine, valid while it is up. It
// has no symbolic links: an absolute one, such as /var/run, would lead to the host's
// own file. So what removes it removes the target of a link, not the link.
func (b *Box) Path(name string) string {
	return resolve(filepath.Join("/proc", strconv.Itoa(b.Leader()), "root"), name)
}

// resolve follows the symbolic links in name as if root were the root directory.
// What does not exist stays as it is written.
func resolve(root, name string) string {
	done, rest := "/", filepath.Clean("/"+name)
	for links := 0; ; {
		var part string
		part, rest, _ = strings.Cut(strings.TrimLeft(rest, "/"), "/")
		if part == "" {
			return filepath.Join(root, done)
		}
		next := filepath.Join(done, part)
		target, err := os.Readlink(filepath.Join(root, next))
		if err != nil || links == maxLinks {
			done = next
			continue
		}
		links++
		if filepath.IsAbs(target) {
			done = "/"
		}
		rest = target + "/" + rest
	}
}

// WriteFile puts a file into the machine, with missing directories. An existing one
// is replaced by rename as package managers do it, so it may be a running program.
func (b *Box) WriteFile(name string, data []byte, perm fs.FileMode) error {
	return b.place(name, bytes.NewReader(data), perm)
}

// CopyIn copies the host's regular file src into the machine as dst, in the way of
// [Box.WriteFile], with its permissions.
func (b *Box) CopyIn(src, dst string) error {
	f, err := os.Open(src)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("cannot copy %s into box %s: not a regular file", src, b.name)
	}
	return b.place(dst, f, info.Mode())
}

func (b *Box) place(name string, from io.Reader, mode fs.FileMode) (err error) {
	path := b.Path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".box-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("cannot write %s in box %s: %w", name, b.name, err), os.Remove(f.Name()))
		}
	}()
	_, err = io.Copy(f, from)
	if err = errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
