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

// DpkgLock is held by dpkg itself while it runs maintainer scripts, whoever has
// called it.
var DpkgLock = PackageLock{"/var/lib/dpkg/lock", unix.F_WRLCK}

// PackageLocks are those of dpkg and rpm. apt holds lock-frontend from the
// first to the last moment, hooks included, while dpkg takes and drops the
// inner lock several times in between.
var PackageLocks = []PackageLock{
	{"/var/lib/dpkg/lock-frontend", unix.F_WRLCK},
	DpkgLock,
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
	lock, err := l.ask()
	// l_pid is 0 when the holder is in another pid namespace: the type tells.
	return lock.Type != unix.F_UNLCK, err
}

// Holder returns the pid of the process that holds the lock, or 0 where there is
// none in our pid namespace.
func (l PackageLock) Holder() (int, error) {
	lock, err := l.ask()
	if err != nil || lock.Type == unix.F_UNLCK {
		return 0, err
	}
	return int(max(lock.Pid, 0)), nil
}

// ask returns the lock that is in the way. There is none where there is no file.
func (l PackageLock) ask() (unix.Flock_t, error) {
	free := unix.Flock_t{Type: unix.F_UNLCK}
	f, err := os.Open(l.Path)
	if errors.Is(err, os.ErrNotExist) {
		return free, nil
	}
	if err != nil {
		return free, err
	}
	defer f.Close()
	found := unix.Flock_t{Type: l.Kind, Whence: io.SeekStart}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &found); err != nil {
		return free, &os.PathError{Op: "fcntl", Path: l.Path, Err: err}
	}
	return found, nil
}
