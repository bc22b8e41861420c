package supervisor

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// A PackageLock is a file on which a package manager holds a POSIX lock while
// a transaction runs.
type PackageLock struct {
	Path string
	// Kind is the lock to ask for. rpm's queries hold a shared lock, so for
	// rpm only an exclusive one counts: ask for a read lock.
	Kind int16
}

// PackageLocks are those of dpkg and rpm. apt holds lock-frontend from the
// first to the last moment, hooks included, while dpkg takes and drops the
// inner lock several times in between.
var PackageLocks = []PackageLock{
	{"/var/lib/dpkg/lock-frontend", unix.F_WRLCK},
	{"/var/lib/dpkg/lock", unix.F_WRLCK},
	{"/var/lib/rpm/.rpm.lock", unix.F_RDLCK},
	{"/usr/lib/sysimage/rpm/.rpm.lock", unix.F_RDLCK},
}

// TransactionRuns names the lock of a package transaction that runs now, or
// returns the empty string. It only asks (F_GETLK) and never takes a lock.
func TransactionRuns(locks []PackageLock) (string, error) {
	for _, l := range locks {
		held, err := l.held()
		if err != nil {
			return "", err
		}
		if held {
			return l.Path, nil
		}
	}
	return "", nil
}

func (l PackageLock) held() (bool, error) {
	f, err := os.Open(l.Path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	// l_pid is 0 when the holder is in another pid namespace: the type tells.
	ask := unix.Flock_t{Type: l.Kind, Whence: io.SeekStart}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &ask); err != nil {
		return false, &os.PathError{Op: "fcntl", Path: l.Path, Err: err}
	}
	return ask.Type != unix.F_UNLCK, nil
}
