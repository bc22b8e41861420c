package nginx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Root is the root directory of a master, /proc/PID/root: paths below it are
// taken in the master's own mount namespace and chroot.
type Root struct{ dir *os.File }

// OpenRoot opens the root directory of a process. It needs the right to trace
// the process.
func OpenRoot(pid int) (*Root, error) {
	return openRoot(procPath(pid, "root"))
}

// HostRoot is our own root directory.
func HostRoot() (*Root, error) { return openRoot("/") }

func openRoot(path string) (*Root, error) {
	dir, err := os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open the root directory: %w", err)
	}
	return &Root{dir}, nil
}

// Close releases the directory.
func (r *Root) Close() error { return r.dir.Close() }

// Host gives the name by which we reach a path of the master. It is right only
// for paths without absolute symbolic links; for anything else use Walk first.
func (r *Root) Host(path string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", r.dir.Fd(), strings.TrimPrefix(path, "/"))
}

func (r *Root) openat(path string, flags int, resolve uint64) (*os.File, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: resolve | unix.RESOLVE_IN_ROOT}
	fd, err := unix.Openat2(int(r.dir.Fd()), path, &how)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// Open opens a file for reading. Symbolic links are resolved inside the root.
// It does not wait for the writer of a FIFO.
func (r *Root) Open(path string) (*os.File, error) {
	return r.openat(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
}

// Stat describes what the path leads to.
func (r *Root) Stat(path string) (os.FileInfo, error) {
	f, err := r.openat(path, unix.O_PATH, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}

// Lstat describes the last component of the path itself.
func (r *Root) lstat(path string) (os.FileInfo, error) {
	f, err := r.openat(path, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}

// Entry is one directory entry on the way to a file.
type Entry struct {
	Path string
	Info os.FileInfo
}

// Walk goes to a file component by component, through every symbolic link,
// and returns what it met, the root directory first and the file last. Whoever
// may change one of these may decide what the path leads to.
func (r *Root) Walk(path string) ([]Entry, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("%q is not an absolute path", path)
	}
	info, err := r.lstat("/")
	if err != nil {
		return nil, err
	}
	met := []Entry{{"/", info}}
	todo := components(path)
	at := "/"
	for links := 0; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		if name == ".." {
			at = filepath.Dir(at)
			continue
		}
		here := filepath.Join(at, name)
		if info, err = r.lstat(here); err != nil {
			return nil, err
		}
		met = append(met, Entry{here, info})
		if info.Mode()&os.ModeSymlink == 0 {
			at = here
			continue
		}
		if links++; links > 40 {
			return nil, &os.PathError{Op: "open", Path: path, Err: unix.ELOOP}
		}
		target, err := r.readlink(here)
		if err != nil {
			return nil, err
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		todo = append(components(target), todo...)
	}
	return met, nil
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

func (r *Root) readlink(path string) (string, error) {
	f, err := r.openat(path, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(f.Fd()), "", buf)
	if err != nil {
		return "", &os.PathError{Op: "readlink", Path: path, Err: err}
	}
	if n == len(buf) {
		return "", errors.New("symbolic link is too long")
	}
	return string(buf[:n]), nil
}
