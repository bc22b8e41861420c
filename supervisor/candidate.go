package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
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
		return nil, m.unlessEnded(err)
	}
	return c, nil
}

// unlessEnded adds to an error that the master has just ended, if it has: in its last
// moment its files cannot be read any more.
func (m *master) unlessEnded(err error) error {
	if err == nil || errors.Is(err, ErrNotRunning) {
		return err
	}
	if m.ExitWithin(lastMoment); m.Alive() {
		return err
	}
	return fmt.Errorf("%w: %w", ErrNotRunning, err)
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
	if not, ok := errors.AsType[*os.PathError](err); ok && errors.Is(err, nginx.ErrNotRegular) {
		return &Refusal{ReasonNotFile, fmt.Sprintf("%s is %v", m.binary, not.Err), "install a binary there"}
	}
	return &Refusal{ReasonNotFile, fmt.Sprintf("cannot open %s: %v", m.binary, err), "install a binary there"}
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
	if _, err := c.file.Seek(0, 0); err != nil {
		return err
	}
	build, err := s.builds.Of(ctx, c.file)
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
