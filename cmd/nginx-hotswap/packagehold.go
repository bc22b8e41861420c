package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

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
	proc    string // the proc(5) file system
	info    string // dpkg's maintainer scripts
	runtime string // of the daemon
}

// units returns the units that a maintainer script which runs now is about to
// restart, and the package. Whatever is not as expected means none: a restart
// too many is better than an nginx that cannot be stopped.
func (h packageHold) units(c supervisor.Config) (name string, units []string) {
	if !c.HoldPackageRestart || !h.daemonLives() {
		return "", nil
	}
	for _, name := range h.packages() {
		if units := h.restarted(name, c); len(units) > 0 {
			return name, units
		}
	}
	return "", nil
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

// packages returns the packages whose postinst runs now on this system. The
// scripts of containers, which have mount namespaces of their own, are no
// matter of this PID 1.
func (h packageHold) packages() []string {
	entries, err := os.ReadDir(h.proc)
	if err != nil {
		return nil
	}
	host, err := os.Readlink(filepath.Join(h.proc, "1/ns/mnt"))
	if err != nil {
		return nil
	}
	var found []string
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		dir := filepath.Join(h.proc, e.Name())
		environ, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err != nil {
			continue // it is gone
		}
		if ns, err := os.Readlink(filepath.Join(dir, "ns/mnt")); err != nil || ns != host {
			continue
		}
		if root, err := os.Readlink(filepath.Join(dir, "root")); err != nil || root != "/" {
			continue
		}
		if name := configured(environ); name != "" {
			found = append(found, name)
		}
	}
	return found
}

// packageName is what Debian policy allows, section 5.6.1.
var packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)

// configured returns the package in whose postinst a process runs, from its
// environment, see dpkg(1).
func configured(environ []byte) string {
	var name, script string
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		key, value, _ := strings.Cut(string(entry), "=")
		switch key {
		case "DPKG_MAINTSCRIPT_PACKAGE":
			name = value
		case "DPKG_MAINTSCRIPT_NAME":
			script = value
		}
	}
	if script != maintainerScript || !packageName.MatchString(name) {
		return ""
	}
	return name
}

// invoked finds the units that a postinst made by debhelper restarts.
var (
	invoked     = regexp.MustCompile(`(?m)^\s*deb-systemd-invoke\s+\S+\s+(.*)$`)
	invokedUnit = regexp.MustCompile(`[A-Za-z0-9:_.@-]+\.service`)
)

// restarted returns those of our units that a package's postinst restarts.
func (h packageHold) restarted(name string, c supervisor.Config) []string {
	script, err := os.ReadFile(filepath.Join(h.info, name+"."+maintainerScript))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || len(script) > 1<<20 {
		return nil
	}
	var units []string
	for _, line := range invoked.FindAllSubmatch(script, -1) {
		for _, unit := range invokedUnit.FindAllString(string(line[1]), -1) {
			if ours(unit, c) {
				units = append(units, unit)
			}
		}
	}
	return units
}

// ours reports whether the configuration names a unit.
func ours(unit string, c supervisor.Config) bool {
	for _, i := range c.Instances {
		if i.Unit == unit {
			return true
		}
	}
	for _, pattern := range c.Units {
		if match, err := path.Match(pattern, unit); err == nil && match {
			return true
		}
	}
	return false
}

// writeHold writes the drop-in of a unit below a generator's output directory.
func writeHold(output, unit, name string) error {
	dir := filepath.Join(output, unit+".d")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot hold off the restart of %s: %w", unit, err)
	}
	return os.WriteFile(filepath.Join(dir, holdName), fmt.Appendf(nil, holdText, name, unit), 0o644)
}
