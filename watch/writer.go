package watch

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// errUnknown is wrapped by the error of writing when the kernel does not tell whether a file has a writer: the file system
// has no leases, /proc/sys/fs/leases-enable is 0, or the file belongs to someone else and CAP_LEASE is missing.
var errUnknown = errors.New("cannot tell whether a file is being written")

// writing reports whether any process has a file open for writing, this one included. It asks for a read lease and gives it
// back at once: fcntl(2) F_SETLEASE refuses one with EAGAIN while there is a writer. A process that opens the file for
// writing within these microseconds waits for them, or gets EWOULDBLOCK if it opens with O_NONBLOCK.
//
// The path must have no symbolic links. Only regular files are opened; other files have no writers in this sense and are
// false without an error. A file that is not there is an error that wraps [io/fs.ErrNotExist]; errors that wrap errUnknown
// mean that the answer is unknown.
func writing(file string) (bool, error) {
	f, err := openRegular(file)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return true, nil // someone holds a write lease (fcntl(2), "Leases")
	case errors.Is(err, os.ErrNotExist), err == nil && f == nil:
		return false, err
	case err != nil:
		return false, fmt.Errorf("%w: %w", errUnknown, err)
	}
	defer f.Close()

	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	if errors.Is(err, unix.EAGAIN) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("%w: lease on %s: %w", errUnknown, file, err)
	}
	// Closing gives the lease back too; this is sooner by a system call.
	_, _ = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	return false, nil
}

// openRegular opens a regular file for reading, and nothing else: opening a device or a fifo can have effects, so the file is
// looked at through O_PATH first and the very same inode is opened then. For other files it returns nil.
func openRegular(file string) (*os.File, error) {
	path, err := unix.Open(file, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: file, Err: err}
	}
	defer unix.Close(path)
	var st unix.Stat_t
	if err := unix.Fstat(path, &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: file, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, nil
	}
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(path), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: file, Err: err}
	}
	return os.NewFile(uintptr(fd), file), nil
}
