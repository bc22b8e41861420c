package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrLocked says that another nginx-hotswap process works on the instance.
var ErrLocked = errors.New("another nginx-hotswap works on this instance")

// Lock is the right to work on an instance. The kernel releases it when the
// process ends, however it ends.
type Lock struct{ file *os.File }

// Lock takes the instance's lock or returns ErrLocked.
func (s Store) Lock(instance string) (*Lock, error) {
	dir := filepath.Join(s.Runtime, "lock")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot lock instance %s: %w", instance, err)
	}
	path := filepath.Join(dir, fileName(instance))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock instance %s: %w", instance, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, fmt.Errorf("instance %s: %w", instance, err)
	}
	return &Lock{f}, nil
}

// Release gives the lock back.
func (l *Lock) Release() error { return l.file.Close() }
