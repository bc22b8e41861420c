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
//
// They are resolved here, component by component, as openat2(2) would with
// RESOLVE_IN_ROOT: that system call cannot be had under RestrictSUIDSGID=.
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

// Entry is one directory entry on the way to a file.
type Entry struct {
	Path string
	Info os.FileInfo
	ACL  bool // it has an access list, acl(5), so that the group's bits are a mask
}

// Describe is the entry of an open file.
func Describe(f *os.File) (Entry, error) {
	info, err := f.Stat()
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Path: f.Name(), Info: info}
	// The mask gives nobody more than it says: without the bit there is no list to be read.
	if mode := info.Mode(); mode&os.ModeSymlink == 0 && mode.Perm()&0o020 != 0 {
		e.ACL, err = hasACL(f)
	}
	return e, err
}

func hasACL(f *os.File) (bool, error) {
	_, err := unix.Getxattr(fdPath(f), "system.posix_acl_access", nil)
	switch err {
	case nil:
		return true, nil
	case unix.ENODATA, unix.ENOTSUP:
		return false, nil
	}
	return false, fmt.Errorf("cannot read the access list of %s: %w", f.Name(), err)
}

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

// Walk goes to a file component by component, through every symbolic link,
// and returns what it met, the root directory first and the file last. Whoever
// may change one of these may decide what the path leads to.
func (r *Root) Walk(path string) ([]Entry, error) {
	w, err := r.walk(path, true)
	if err != nil {
		return nil, err
	}
	defer w.close()
	return w.met, nil
}

// ErrNotRegular is for what is no file: whoever may write there could let us wait
// for the end of a FIFO for ever.
var ErrNotRegular = errors.New("not a regular file")

// Open opens a regular file for reading.
func (r *Root) Open(path string) (*os.File, error) {
	w, err := r.walk(path, true)
	if err != nil {
		return nil, err
	}
	defer w.close()
	if info := w.met[len(w.met)-1].Info; !info.Mode().IsRegular() {
		return nil, &os.PathError{Op: "open", Path: path, Err: fmt.Errorf("%s, %w", kindOf(info), ErrNotRegular)}
	}
	return os.OpenFile(fdPath(w.at), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
}

func kindOf(info os.FileInfo) string {
	switch mode := info.Mode(); {
	case mode.IsDir():
		return "a directory"
	case mode&os.ModeNamedPipe != 0:
		return "a FIFO"
	case mode&os.ModeDevice != 0:
		return "a device"
	case mode&os.ModeSocket != 0:
		return "a socket"
	}
	return "something else"
}

// Stat describes what the path leads to.
func (r *Root) Stat(path string) (os.FileInfo, error) { return r.info(path, true) }

// Lstat describes the path itself, not what a symbolic link leads to.
func (r *Root) Lstat(path string) (os.FileInfo, error) { return r.info(path, false) }

func (r *Root) info(path string, follow bool) (os.FileInfo, error) {
	w, err := r.walk(path, follow)
	if err != nil {
		return nil, err
	}
	defer w.close()
	return w.met[len(w.met)-1].Info, nil
}

// fdPath is a name that leads to an open file.
func fdPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }
