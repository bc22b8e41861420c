package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// named refuses a master that was started by a bare name: USR2 would look for
// that in its working directory and nowhere else.
func (m *master) named() error {
	if m.argv[0] == "" || filepath.Base(m.argv[0]) != m.argv[0] {
		return nil
	}
	return &Refusal{ReasonBareName, fmt.Sprintf("%s was started as %q, and USR2 does not search PATH", m.name(), m.argv[0]),
		"start nginx once by its absolute path"}
}

// swappable refuses a master that would ignore USR2 or could not carry it out.
func (m *master) swappable(ctx context.Context) error {
	if err := m.named(); err != nil {
		return err
	}
	stat, err := nginx.ReadStat(m.PID)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	if refusal := m.predecessor(stat); refusal != nil {
		return refusal
	}
	if !stat.Daemonized() {
		return &Refusal{ReasonDaemonOff, fmt.Sprintf("%s runs with `daemon off`: such a master ignores USR2", m.name()),
			m.daemonOff()}
	}
	// First of all: after WINCH its old master has no workers, as one that starts.
	tree, err := nginx.ReadTree(m.ID)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	if err := m.upgradedByOthers(tree); err != nil {
		return err
	}
	if err := m.settled(ctx); err != nil {
		return err
	}
	if err := m.parentless(); err != nil {
		return err
	}
	return m.unitFit(ctx)
}

// predecessor refuses a master that was started by another that is still there.
func (m *master) predecessor(stat nginx.Stat) *Refusal {
	parent, err := nginx.ReadTitle(stat.PPID)
	if err != nil || parent.Role != nginx.RoleMaster {
		return nil
	}
	return &Refusal{ReasonPredecessor, fmt.Sprintf("the predecessor %d of %s is still there, and until it is gone nginx ignores USR2", stat.PPID, m.name()),
		fmt.Sprintf("wait for its workers, or finish its upgrade with kill -WINCH %d, then kill -QUIT %d", stat.PPID, stat.PPID)}
}

// upgradedByOthers refuses a master that has a successor: it ignores USR2.
func (m *master) upgradedByOthers(tree nginx.Tree) error {
	for _, other := range tree.Successors() {
		if other.Role == nginx.RoleMaster {
			return &Refusal{ReasonUnitBusy, fmt.Sprintf("somebody else upgrades %s: its successor %d runs already", m.name(), other.PID),
				fmt.Sprintf("finish it with kill -WINCH %d, then kill -QUIT %d, or go back with kill -QUIT %d", m.PID, m.PID, other.PID)}
		}
	}
	return nil
}

// settleLimit is for what a master does in a reload: it loads the configuration,
// starts workers, and 100 ms later tells the old ones to go.
const settleLimit = 2 * time.Second

// settled waits until the master has nothing to do: in the middle of a reload it
// has the workers of two configurations.
func (m *master) settled(ctx context.Context) error {
	for began := time.Now(); ; {
		busy, err := m.busy()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNotRunning, err)
		}
		if busy == "" {
			return nil
		}
		if time.Since(began) > settleLimit {
			return &Refusal{ReasonUnitBusy, m.name() + " " + busy, "it is looked at again"}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pollPause(time.Since(began))):
		}
	}
}

// busy says what the master is doing, or returns "".
func (m *master) busy() (string, error) {
	signals, err := nginx.ReadSignals(m.PID)
	if err != nil {
		return "", err
	}
	if !signals.Waiting() {
		return "is busy, perhaps with a reload", nil
	}
	tree, err := nginx.ReadTree(m.ID)
	if err != nil {
		return "", err
	}
	if len(tree.With(nginx.RoleWorker)) == 0 || len(tree.With(nginx.RoleStarting)) > 0 {
		// A signal that comes before the master waits for the first time is
		// noted and then slept over.
		return "is still starting its workers", nil
	}
	return "", nil
}

// parentless refuses an old master that somebody else than init has adopted: up to
// 1.13.7 nginx took any parent for its predecessor (ngx_signal_handler).
func (m *master) parentless() error {
	if !m.build.OlderThan(1, 13, 8) {
		return nil
	}
	parent, err := nginx.ReadParent(m.PID)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	if parent <= 1 {
		return nil
	}
	return &Refusal{ReasonParent, fmt.Sprintf("%s is a child of process %d, not of init, and before 1.13.8 such a master ignores USR2", m.name(), parent),
		"restart nginx once, with the new binary or as a service"}
}

// unitFit refuses a unit that cannot follow the successor, or in which
// something else is going on.
func (m *master) unitFit(ctx context.Context) error {
	if m.unit == nil {
		return nil
	}
	state, err := m.unit.State(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil { // PID 1 executes itself anew, perhaps
		return &Refusal{ReasonUnitBusy, err.Error(), "it is looked at again"}
	}
	if state.JobID != 0 || state.ActiveState != "active" {
		return &Refusal{ReasonUnitBusy, fmt.Sprintf("%s is %s, job %q", m.unit.Name(), state.ActiveState, state.JobType), "it is looked at again"}
	}
	if state.PIDFile == "" && state.NotifyAccess == "none" {
		return &Refusal{ReasonNotifyAccess, fmt.Sprintf("%s has neither PIDFile= nor NotifyAccess=, so systemd could not follow the new master", m.unit.Name()),
			fmt.Sprintf("put NotifyAccess=main under [Service] by `systemctl edit %s`", m.unit.Name())}
	}
	return nil
}

// checkPIDFiles refuses what would wedge the master: ngx_exec_new_binary
// renames the pid file first, and if that fails the master takes no reload any
// more (1.0.15 to 1.31.4).
func (m *master) checkPIDFiles() error {
	m.pidFile = m.findPIDFile(m.givenPIDFile) // it may have gone since
	if m.pidFile == "" {
		path := m.unitPIDFile
		if path == "" {
			path = m.files.PID
		}
		return &Refusal{ReasonPIDFile, fmt.Sprintf("no pid file names %s (looked at %s)", m.name(), path),
			fmt.Sprintf("restore it: echo %d > %s", m.PID, path)}
	}
	if m.unitPIDFile != "" && !m.samePath(m.unitPIDFile, m.pidFile) {
		return &Refusal{ReasonPIDFile, fmt.Sprintf("the unit has PIDFile=%s, but %s is named by %s", m.unitPIDFile, m.name(), m.pidFile),
			"make PIDFile= and the `pid` directive agree"}
	}
	configured, err := m.files.ConfiguredPID(m.root)
	if err != nil {
		return &Refusal{ReasonConfigTest, err.Error(), "restore the configuration"}
	}
	if !m.samePath(configured, m.pidFile) {
		return &Refusal{ReasonPIDFile, fmt.Sprintf("the configuration on disk names the pid file %s, %s has %s", configured, m.name(), m.pidFile),
			"put the `pid` directive back, or restart nginx once"}
	}
	return m.checkOldBin()
}

func (m *master) checkOldBin() error {
	oldBin := m.pidFile + nginx.OldBin
	info, err := m.root.Stat(oldBin)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		return &Refusal{ReasonPIDFile, oldBin + " is a directory, so nginx could not rename its pid file", "rmdir " + oldBin}
	}
	pid, err := nginx.ReadPIDFile(m.root, oldBin)
	if err == nil && nginx.IsMaster(pid) {
		return &Refusal{ReasonPredecessor, fmt.Sprintf("%s names a master that runs: %d", oldBin, pid),
			fmt.Sprintf("finish its upgrade with kill -WINCH %d, then kill -QUIT %d", pid, pid)}
	}
	return nil // stale: rename(2) overwrites it
}

// samePath reports whether two names lead to the same file: /var/run is often
// a link to /run.
func (m *master) samePath(a, b string) bool {
	if a == b {
		return true
	}
	x, err := m.root.Stat(a)
	if err != nil {
		return false
	}
	y, err := m.root.Stat(b)
	return err == nil && os.SameFile(x, y)
}
