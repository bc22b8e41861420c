package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// ErrNotRunning says that an instance has no master.
var ErrNotRunning = errors.New("nginx is not running")

// master is a running master that we are attached to, and all that is known
// about it. Close releases it.
type master struct {
	*nginx.Process
	root *nginx.Root
	unit Unit // nil without a unit
	// unitPIDFile is the unit's PIDFile=, or "".
	unitPIDFile string
	// mute is set where systemd takes no word for the unit (NotifyAccess=none).
	mute bool
	// givenPIDFile is the instance's PIDFile=, or "".
	givenPIDFile string

	argv    []string
	cwd     string
	binary  string // what USR2 executes, in the master's view
	build   Build
	pidFile string // names the master, in the master's view
	files   nginx.Files
	load    *load // nil until noteLoad
	// kept are the SHA-256 of modules and libraries when we came, by path.
	kept  map[string]string
	since time.Time
}

func (m *master) Close() {
	m.root.Close()
	m.Process.Close()
}

// attach finds the instance's master and learns what there is to know.
func (s *Supervisor) attach(ctx context.Context) (*master, error) {
	unit, state, err := s.findUnit(ctx)
	if err != nil {
		return nil, err
	}
	pid := state.MainPID
	if unit == nil {
		if pid, err = s.pidFromFile(s.instance.PIDFile); err != nil {
			return nil, err
		}
	}
	if pid == 0 {
		return nil, fmt.Errorf("%w: %s is %s", ErrNotRunning, unit.Name(), state.ActiveState)
	}
	p, err := nginx.Open(pid)
	if errors.Is(err, nginx.ErrGone) {
		return nil, fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	if err != nil {
		return nil, err
	}
	m, err := s.learn(ctx, p, unit, state)
	if err != nil {
		p.Close()
		return nil, err
	}
	return m, nil
}

// findUnit returns the unit of the instance with its state, or nil when the
// master has none. A master that is given by its pid file may belong to a unit
// all the same, and then systemd must follow.
func (s *Supervisor) findUnit(ctx context.Context) (Unit, systemd.State, error) {
	name := s.instance.Unit
	if s.systemd == nil {
		if name != "" {
			return nil, systemd.State{}, fmt.Errorf("cannot look at %s: systemd does not run here", name)
		}
		return nil, systemd.State{}, nil
	}
	if name == "" {
		pid, err := s.pidFromFile(s.instance.PIDFile)
		if err != nil {
			return nil, systemd.State{}, err
		}
		if name, err = s.systemd.UnitOf(ctx, pid); err != nil {
			return nil, systemd.State{}, err
		}
		if !strings.HasSuffix(name, ".service") {
			return nil, systemd.State{}, nil
		}
		unit := s.systemd.Unit(name)
		state, err := unit.State(ctx)
		if err != nil || state.MainPID != pid {
			return nil, systemd.State{}, err
		}
		return unit, state, nil
	}
	unit := s.systemd.Unit(name)
	state, err := unit.State(ctx)
	return unit, state, err
}

// pidFromFile reads a pid file in our own view: without a unit the file is all
// that is known of the master.
func (s *Supervisor) pidFromFile(path string) (int, error) {
	host, err := nginx.HostRoot()
	if err != nil {
		return 0, err
	}
	defer host.Close()
	pid, err := nginx.ReadPIDFile(host, path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, nginx.ErrEmptyPIDFile) {
		return 0, fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	return pid, err
}

// learn reads everything about a master from the process itself.
func (s *Supervisor) learn(ctx context.Context, p *nginx.Process, unit Unit, state systemd.State) (*master, error) {
	title, err := nginx.ReadTitle(p.PID)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	if title.Role != nginx.RoleMaster {
		return nil, &Refusal{Reason: ReasonNotMaster, Text: fmt.Sprintf("pid %d is not an nginx master process", p.PID),
			Remedy: "it is starting, it runs with `master_process off`, or it is not nginx"}
	}
	if unit == nil {
		if err := s.checkUsers(p.PID); err != nil {
			return nil, err
		}
	}
	m := &master{Process: p, unit: unit, unitPIDFile: state.PIDFile, mute: state.NotifyAccess == "none", givenPIDFile: s.instance.PIDFile}
	if m.root, err = nginx.OpenRoot(p.PID); err != nil {
		return nil, err
	}
	if err := s.learnPaths(ctx, m, state); err != nil {
		m.root.Close()
		return nil, err
	}
	return m, nil
}

func (s *Supervisor) learnPaths(ctx context.Context, m *master, state systemd.State) (err error) {
	if m.cwd, err = os.Readlink(fmt.Sprintf("/proc/%d/cwd", m.PID)); err != nil {
		return fmt.Errorf("cannot read the working directory of master %d: %w", m.PID, err)
	}
	if m.argv, err = recoverArgv(m.PID, state.ExecStart); err != nil {
		return err
	}
	if m.binary, err = m.executes(); err != nil {
		return err
	}
	if m.build, err = s.runningBuild(ctx, m.PID); err != nil {
		return err
	}
	m.files = nginx.Locate(m.argv, m.build.Version, m.cwd).Remembering()
	m.pidFile = m.findPIDFile(m.givenPIDFile)
	m.since, err = m.Started()
	return err
}

// executes is the path that USR2 executes. A bare name is looked for in the
// working directory and hardly ever found there: such a master is refused, but
// it is compared with what it was started from.
func (m *master) executes() (string, error) {
	switch name := m.argv[0]; {
	case filepath.IsAbs(name):
		return name, nil
	case filepath.Base(name) != name:
		return filepath.Join(m.cwd, name), nil
	}
	exe, err := os.Readlink(nginx.ExePath(m.PID))
	if err != nil {
		return "", fmt.Errorf("cannot tell the binary of master %d: %w", m.PID, err)
	}
	return strings.TrimSuffix(exe, " (deleted)"), nil
}

// recoverArgv falls back to the unit's command line where the title was cut
// off, if what is left of the title agrees with it.
func recoverArgv(pid int, execStart []string) ([]string, error) {
	argv, err := nginx.ReadArgv(pid)
	if err == nil || len(execStart) == 0 || !errors.Is(err, nginx.ErrArgvLost) {
		return argv, err
	}
	title, titleErr := nginx.ReadTitle(pid)
	if titleErr == nil && strings.HasPrefix(strings.Join(execStart, " "), title.Rest) {
		return slices.Clone(execStart), nil
	}
	return nil, err
}

// findPIDFile returns the first of the possible pid files that names the
// master, or "".
func (m *master) findPIDFile(given string) string {
	configured, _ := m.files.ConfiguredPID(m.root)
	for _, path := range []string{given, m.unitPIDFile, configured, m.files.PID} {
		if path == "" {
			continue
		}
		if pid, err := nginx.ReadPIDFile(m.root, path); err == nil && pid == m.PID {
			return path
		}
	}
	return ""
}

// name is how a master is spoken of.
func (m *master) name() string { return fmt.Sprintf("master %d", m.PID) }
