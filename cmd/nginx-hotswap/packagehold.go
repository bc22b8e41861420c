package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// Debian's and Ubuntu's nginx-common restarts nginx in its postinst: it runs
// `systemctl daemon-reload` and then `deb-systemd-invoke restart nginx.service`.
// Our generator, which PID 1 runs in between, adds RefuseManualStop=yes to the
// unit, so that the restart is refused and the upgrade stays ours. The next
// daemon-reload lifts it.
const (
	holdName         = "10-nginx-hotswap-hold.conf"
	generatorOutput  = "/run/systemd/generator"
	dpkgInfo         = "/var/lib/dpkg/info"
	maintainerScript = "postinst"
)

// A script that goes on for long is held off anew at each daemon-reload, the one
// that lifts the hold included. holdAgain, in the daemon's directory, is as old as
// this has gone on without a break, and holdAtMost ends it: whatever hangs there,
// the unit can be stopped again.
const (
	holdAgain  = "hold-again"
	holdAtMost = 6 * time.Second
)

// holdText is the drop-in. A person who meets it must find the way out in it.
const holdText = `# Written by nginx-hotswap while %s is being configured: that package would
# restart %s, which nginx-hotswap upgrades without a restart.
# To lift it: systemctl daemon-reload
[Unit]
RefuseManualStop=yes
`

// holds returns the drop-ins that are in force now.
func holds(output string) ([]string, error) {
	return filepath.Glob(filepath.Join(output, "*.service.d", holdName))
}

// liftHolds makes PID 1 forget what the generator has written, if it has.
func liftHolds(ctx context.Context) error {
	found, err := holds(generatorOutput)
	if err != nil || len(found) == 0 {
		return err
	}
	m, err := systemd.Dial(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	return m.Reload(ctx)
}

// packageHold decides whether restarts of which units are held off.
type packageHold struct {
	proc    string              // the proc(5) file system
	info    string              // dpkg's maintainer scripts
	runtime string              // of the daemon
	holder  func() (int, error) // the pid of the dpkg that runs, or 0
}

// newPackageHold is that of the machine.
func (p *places) newPackageHold() packageHold {
	return packageHold{proc: "/proc", info: dpkgInfo, runtime: p.store.Runtime, holder: supervisor.DpkgLock.Holder}
}

// units returns the units that a maintainer script which runs now is about to
// restart, and the package. Whatever is not as expected means none: a restart
// too many is better than an nginx that cannot be stopped.
func (h packageHold) units(c supervisor.Config) (name string, units []string) {
	if !c.HoldPackageRestart || !h.daemonLives() || h.spent() {
		return "", nil
	}
	for _, name := range h.packages() {
		if units := h.restarted(name, c); len(units) > 0 {
			return name, units
		}
	}
	return "", nil
}

// again remembers, after a hold was lifted, whether it is there again.
func (h packageHold) again(held bool) error {
	path := filepath.Join(h.runtime, holdAgain)
	if !held {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// spent reports whether holds have followed one another for too long.
func (h packageHold) spent() bool {
	info, err := os.Stat(filepath.Join(h.runtime, holdAgain))
	return err == nil && time.Since(info.ModTime()) > holdAtMost
}

// daemonLives reports whether the daemon holds its lock: a file alone may be
// left behind.
func (h packageHold) daemonLives() bool {
	f, err := os.Open(filepath.Join(h.runtime, daemonLock))
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// writeHold writes the drop-in of a unit below a generator's output directory.
func writeHold(output, unit, name string) error {
	dir := filepath.Join(output, unit+".d")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot hold off the restart of %s: %w", unit, err)
	}
	return os.WriteFile(filepath.Join(dir, holdName), fmt.Appendf(nil, holdText, name, unit), 0o644)
}
