package nginx

import (
	"errors"
	"fmt"
	"os"

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
