package supervisor

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"syscall"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// trusted returns the users whose files are executed: root, ourselves and the
// instance's TrustedOwner=.
func (s *Supervisor) trusted() ([]uint32, error) {
	uids := []uint32{0, uint32(os.Geteuid())}
	if s.instance.TrustedOwner == "" {
		return uids, nil
	}
	uid, err := uidOf(s.instance.TrustedOwner)
	if err != nil {
		return nil, fmt.Errorf("cannot trust %s, whom TrustedOwner= names: %w; name a user that exists, or a uid", s.instance.TrustedOwner, err)
	}
	return append(uids, uid), nil
}

// uidOf takes a user's name or a number.
func uidOf(owner string) (uint32, error) {
	if n, err := strconv.ParseUint(owner, 10, 32); err == nil {
		return uint32(n), nil
	}
	u, err := user.Lookup(owner)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(u.Uid, 10, 32)
	return uint32(n), err
}

// checkTrail refuses a file that another user could have written or put there.
func checkTrail(trail []nginx.Entry, trusted []uint32) error {
	for i, e := range trail {
		st, ok := e.Info.Sys().(*syscall.Stat_t)
		if !ok {
			return fmt.Errorf("cannot tell the owner of %s", e.Path)
		}
		if !slices.Contains(trusted, st.Uid) {
			return &Refusal{ReasonOwner, fmt.Sprintf("%s belongs to uid %d, not to root", e.Path, st.Uid),
				fmt.Sprintf("chown root %s, or name its owner in TrustedOwner=", e.Path)}
		}
		mode := e.Info.Mode()
		if mode&os.ModeSymlink != 0 {
			continue // its permissions mean nothing
		}
		// In a sticky directory nobody else can replace an entry of a
		// trusted user; that the next one is such is checked in its turn.
		if mode.IsDir() && mode&os.ModeSticky != 0 && i < len(trail)-1 {
			continue
		}
		// With an ACL the bits of the group are its mask, acl(5).
		if mode.Perm()&0o002 != 0 || mode.Perm()&0o020 != 0 && (st.Gid != 0 || e.ACL) {
			return &Refusal{ReasonWritable, fmt.Sprintf("%s can be written by others than its owner (mode %04o)", e.Path, mode.Perm()),
				"chmod go-w " + e.Path}
		}
	}
	return nil
}

// runningBuild is what a process executes. To learn its version means to execute
// it once more, and that is done with nothing that another user could have written.
func (s *Supervisor) runningBuild(ctx context.Context, pid int) (Build, error) {
	exe, err := os.Open(nginx.ExePath(pid))
	if err != nil {
		return Build{}, fmt.Errorf("cannot open the binary of pid %d: %w", pid, err)
	}
	defer exe.Close()
	trusted, err := s.trusted()
	if err != nil {
		return Build{}, err
	}
	entry, err := nginx.Describe(exe)
	if err != nil {
		return Build{}, err
	}
	if path, err := os.Readlink(nginx.ExePath(pid)); err == nil {
		entry.Path = path
	}
	if err := checkTrail([]nginx.Entry{entry}, trusted); err != nil {
		return Build{}, err
	}
	return s.builds.Of(ctx, exe)
}

// checkUsers refuses a master of another user for which only a pid file speaks:
// that, and the title, anybody can write, and its configuration is loaded as root
// when it is tested. Where the master is the main process of a unit systemd has
// looked at it.
func (s *Supervisor) checkUsers(pid int) error {
	users, err := nginx.ReadUsers(pid)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	trusted, err := s.trusted()
	if err != nil {
		return err
	}
	if users.All(func(uid uint32) bool { return slices.Contains(trusted, uid) }) {
		return nil
	}
	return &Refusal{ReasonOwner, fmt.Sprintf("pid %d, which the pid file names, is a process of uid %d, not of root", pid, users[0]),
		"name its user in TrustedOwner=, or run it as a unit"}
}
