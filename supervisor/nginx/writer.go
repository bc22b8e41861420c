package nginx

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// BeingWritten reports whether somebody has the file open for writing. The
// kernel grants a read lease (fcntl F_SETLEASE) only when nobody has. Where
// the file system knows no leases the answer is no.
func BeingWritten(f *os.File) (bool, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	var lease error
	err = conn.Control(func(fd uintptr) {
		if _, lease = unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_RDLCK); lease == nil {
			_, lease = unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK)
		}
	})
	switch {
	case err != nil:
		return false, err
	case errors.Is(lease, unix.EAGAIN):
		return true, nil
	case errors.Is(lease, unix.EINVAL), errors.Is(lease, unix.EOPNOTSUPP), errors.Is(lease, unix.EACCES):
		return false, nil
	}
	return false, lease
}
