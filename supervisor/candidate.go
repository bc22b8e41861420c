package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// candidate is a build on disk that differs from the running one.
type candidate struct {
	file  *os.File
	path  string // in the master's view
	build Build  // Version only after inspect
	// replaced are the modules and libraries that the running master has
	// mapped and in whose place there is something else.
	replaced []string
	// overwritten are those among them that were written to in place.
	overwritten []string
	same        bool // the binary is the running one, only replaced ones differ
	tested      time.Duration
	mind        []string // what is no reason to refuse it
}

func (c *candidate) Close() {
	if c != nil {
		c.file.Close()
	}
}

// age is how long ago the binary was written, or put in its place, if that is
// what is new. The watcher's news come when it is settled; other reasons to look
// come at any time, and some writers open and close a file several times.
func (c *candidate) age() time.Duration {
	info, err := c.file.Stat()
	if err != nil || c.same {
		return Infinity
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return Infinity
	}
	age := time.Since(time.Unix(st.Ctim.Unix()))
	if age < 0 {
		return Infinity // the clock was set back: nobody knows
	}
	return age
}

// compare looks at what is on disk where USR2 would execute, and at the modules
// and libraries that go with it. It returns nil when that is what the master
// runs: the same files, or the same contents.
func (s *Supervisor) compare(m *master) (*candidate, error) {
	f, err := m.root.Open(m.binary)
	if err != nil {
		return nil, m.unreadable(err)
	}
	c := &candidate{file: f, path: m.binary, build: Build{SHA256: m.build.SHA256}}
	if err := s.fill(c, m); err != nil || c.same && len(c.replaced) == 0 {
		f.Close()
		return nil, err
	}
	return c, nil
}

func (s *Supervisor) fill(c *candidate, m *master) (err error) {
	if c.same, err = m.runs(c.file); err != nil {
		return err
	}
	if !c.same {
		if c.build.SHA256, err = s.builds.hash(c.file); err != nil {
			return &Refusal{ReasonNotFile, fmt.Sprintf("cannot read %s: %v", m.binary, err), "install a binary there"}
		}
		c.same = c.build.SHA256 == m.build.SHA256
	}
	files, err := s.libraries(m)
	if err != nil {
		return err
	}
	c.replaced, c.overwritten, c.build.Libraries = files.replaced, files.overwritten, files.disk
	m.build.Libraries = files.running
	return nil
}

// runs reports whether the file is the very one that the master executes.
func (m *master) runs(f *os.File) (bool, error) {
	disk, err := f.Stat()
	if err != nil {
		return false, err
	}
	if !disk.Mode().IsRegular() {
		return false, &Refusal{ReasonNotFile, fmt.Sprintf("%s is %s, not a regular file", m.binary, kindOf(disk)), "install a binary there"}
	}
	running, err := os.Stat(nginx.ExePath(m.PID))
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	return os.SameFile(disk, running), nil
}

func (m *master) unreadable(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return &Refusal{ReasonMissing, fmt.Sprintf("there is no file %s", m.binary), "install a binary there; the running one goes on"}
	}
	return &Refusal{ReasonNotFile, fmt.Sprintf("cannot open %s: %v", m.binary, err), "install a binary there"}
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

// trusted returns the users whose files are executed: root, ourselves and the
// instance's TrustedOwner=.
func (s *Supervisor) trusted() ([]uint32, error) {
	uids := []uint32{0, uint32(os.Geteuid())}
	owner := s.instance.TrustedOwner
	if owner == "" {
		return uids, nil
	}
	if n, err := strconv.ParseUint(owner, 10, 32); err == nil {
		return append(uids, uint32(n)), nil
	}
	u, err := user.Lookup(owner)
	if err != nil {
		return nil, fmt.Errorf("TrustedOwner=: %w", err)
	}
	n, err := strconv.ParseUint(u.Uid, 10, 32)
	return append(uids, uint32(n)), err
}

// checkTrail refuses a file that another user could have written or put there.
func checkTrail(trail []nginx.Entry, trusted []uint32) error {
	for i, e := range trail {
		st, ok := e.Info.Sys().(*syscall.Stat_t)
		if !ok {
			return fmt.Errorf("cannot tell the owner of %s", e.Path)
		}
		if !contains(trusted, st.Uid) {
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
		if mode.Perm()&0o002 != 0 || mode.Perm()&0o020 != 0 && st.Gid != 0 {
			return &Refusal{ReasonWritable, fmt.Sprintf("%s can be written by others than its owner (mode %04o)", e.Path, mode.Perm()),
				"chmod go-w " + e.Path}
		}
	}
	return nil
}

func contains(uids []uint32, uid uint32) bool {
	return slices.Contains(uids, uid)
}

// inspect refuses a candidate that is not fit to be tried, without running
// more of it than -V. The cheap looks come first.
func (s *Supervisor) inspect(ctx context.Context, m *master, c *candidate) error {
	trail, err := m.root.Walk(c.path)
	if err != nil {
		return m.unreadable(err)
	}
	trusted, err := s.trusted()
	if err != nil {
		return err
	}
	if err := checkTrail(trail, trusted); err != nil {
		return err
	}
	if err := checkProgram(c); err != nil {
		return err
	}
	path := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), c.file.Fd())
	if _, err := c.file.Seek(0, 0); err != nil {
		return err
	}
	build, err := s.builds.Of(ctx, c.file, path)
	if err != nil {
		return &Refusal{ReasonNotNginx, fmt.Sprintf("%s does not tell its version: %v", c.path, err), "install a build that runs on this machine"}
	}
	if build.SHA256 != c.build.SHA256 {
		return &Refusal{ReasonBeingWritten, c.path + " changed while it was looked at", "it is looked at again"}
	}
	build.Libraries = c.build.Libraries
	c.build = build
	return nil
}

func checkProgram(c *candidate) error {
	writing, err := nginx.BeingWritten(c.file)
	if err != nil {
		return fmt.Errorf("cannot tell whether %s is being written: %w", c.path, err)
	}
	if writing {
		return &Refusal{ReasonBeingWritten, c.path + " is still open for writing", "it is looked at again when the writer is done"}
	}
	info, err := c.file.Stat()
	if err != nil {
		return err
	}
	err = nginx.CheckELF(c.file, info.Size())
	switch {
	case errors.Is(err, nginx.ErrIncomplete):
		return &Refusal{ReasonIncomplete, fmt.Sprintf("%s: %v", c.path, err), "copy it again, best to a temporary name and then mv"}
	case errors.Is(err, nginx.ErrWrongMachine):
		return &Refusal{ReasonMachine, fmt.Sprintf("%s: %v", c.path, err), "install a build for this machine"}
	case err != nil:
		return &Refusal{ReasonNotELF, fmt.Sprintf("%s: %v", c.path, err), "install a binary there"}
	}
	if info.Mode().Perm()&0o111 == 0 {
		return &Refusal{ReasonNotFile, c.path + " is not executable", "chmod 755 " + c.path}
	}
	return nil
}
