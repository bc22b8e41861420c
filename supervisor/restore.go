package supervisor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// errReplaced says that the file on disk is not the one that was to be
// exchanged: somebody has put another one there meanwhile.
var errReplaced = errors.New("another file has been put there meanwhile")

// restorePrefix begins the name of the file that is written beside the target.
const restorePrefix = ".nginx-hotswap-"

// exchange puts a kept binary in the place of the master's. Where nginx may not
// write there (ProtectSystem= of its unit), nor we, it is done in the view of PID
// 1, if that directory is the same there.
func (m *master) exchange(kept, keptSHA256, expected string) error {
	err := exchange(m.root, m.binary, kept, keptSHA256, expected)
	if !errors.Is(err, unix.EROFS) {
		return err
	}
	host, rootErr := nginx.OpenRoot(1)
	if rootErr != nil {
		return err
	}
	defer host.Close()
	dir := filepath.Dir(m.binary)
	theirs, theirErr := m.root.Stat(dir)
	ours, ourErr := host.Stat(dir)
	if theirErr != nil || ourErr != nil || !os.SameFile(theirs, ours) {
		return err
	}
	return exchange(host, m.binary, kept, keptSHA256, expected)
}

// exchange puts a kept binary in the place of the file at path, if that file
// still has the SHA-256 expected. Owner, mode and extended attributes
// (capabilities, security label) are those of the file that it replaces. At no
// moment is there no file or half a file at the path.
func exchange(root *nginx.Root, path, kept, keptSHA256, expected string) error {
	target, err := resolved(root, path)
	if err != nil {
		return err
	}
	return root.Directory(filepath.Dir(target), func(dir string) error {
		name := filepath.Base(target)
		at := filepath.Join(dir, name)
		if err := sameContents(at, expected); err != nil {
			return err
		}
		temporary := filepath.Join(dir, restorePrefix+name)
		if err := writeLike(temporary, at, kept, keptSHA256); err != nil {
			return fmt.Errorf("cannot write beside %s: %w", target, bare(err))
		}
		defer os.Remove(temporary)
		if err := unix.Renameat2(unix.AT_FDCWD, temporary, unix.AT_FDCWD, at, unix.RENAME_EXCHANGE); err != nil {
			return fmt.Errorf("cannot exchange %s: %w", target, err)
		}
		// What came out must be what was looked at. Otherwise a newer file
		// landed in between, and it goes back.
		if err := sameContents(temporary, expected); err != nil {
			undo := unix.Renameat2(unix.AT_FDCWD, temporary, unix.AT_FDCWD, at, unix.RENAME_EXCHANGE)
			return errors.Join(err, undo)
		}
		return syncDirectory(dir)
	})
}

// bare takes the path out of an error: it leads through /proc/self/fd, which
// tells a person nothing.
func bare(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}

// resolved is the path of the file itself, behind all symbolic links.
func resolved(root *nginx.Root, path string) (string, error) {
	trail, err := root.Walk(path)
	if err != nil {
		return "", err
	}
	return trail[len(trail)-1].Path, nil
}

func sameContents(path, sha256 string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	got, err := nginx.HashFile(f)
	if err == nil && got != sha256 {
		err = errReplaced
	}
	return err
}

// writeLike copies a kept binary to a new file that is like another in
// everything but its contents.
func writeLike(to, like, from, sha256 string) (err error) {
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			os.Remove(to)
		}
	}()
	got, err := nginx.HashFile(io.TeeReader(in, out))
	if err != nil {
		return err
	}
	if got != sha256 {
		return fmt.Errorf("%s is damaged: its SHA-256 is %s…", from, hash8(got))
	}
	if err := liken(out, info, like); err != nil {
		return err
	}
	return out.Sync()
}

// liken gives a file owner, mode and extended attributes of another.
func liken(out *os.File, info os.FileInfo, like string) error {
	if st, ok := info.Sys().(*syscall.Stat_t); ok && (st.Uid != uint32(os.Geteuid()) || st.Gid != uint32(os.Getegid())) {
		if err := out.Chown(int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
	}
	if err := out.Chmod(info.Mode()); err != nil {
		return err
	}
	return copyAttributes(int(out.Fd()), like)
}

// copyAttributes copies extended attributes where the file system has them.
func copyAttributes(to int, from string) error {
	buf := make([]byte, 64<<10)
	n, err := unix.Listxattr(from, buf)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot list the attributes: %w", err)
	}
	for _, name := range splitNames(buf[:n]) {
		value := make([]byte, 64<<10)
		size, err := unix.Getxattr(from, name, value)
		if err != nil {
			return fmt.Errorf("cannot read attribute %s: %w", name, err)
		}
		if err := unix.Fsetxattr(to, name, value[:size], 0); err != nil {
			return fmt.Errorf("cannot set attribute %s: %w", name, err)
		}
	}
	return nil
}

func splitNames(list []byte) []string {
	var names []string
	start := 0
	for i, b := range list {
		if b == 0 {
			names = append(names, string(list[start:i]))
			start = i + 1
		}
	}
	return names
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
