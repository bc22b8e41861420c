package main

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// invoked finds the units that a postinst made by debhelper restarts.
var (
	invoked     = regexp.MustCompile(`(?m)^\s*deb-systemd-invoke\s+\S+\s+(.*)$`)
	invokedUnit = regexp.MustCompile(`[A-Za-z0-9:_.@-]+\.service`)
)

// restarted returns those of our units that a package's postinst restarts, and that
// can be upgraded instead.
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
			if ours(unit, c) && !h.inForeground(unit) {
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

// foreground, in the daemon's directory, has a file for each unit whose master runs
// with `daemon off`. Such a master ignores USR2: a restart is what brings it a new
// version, so nobody may hold that off.
const foreground = "foreground"

func (h packageHold) inForeground(unit string) bool {
	_, err := os.Stat(filepath.Join(h.runtime, foreground, unit))
	return err == nil
}

// noteForeground remembers for the generator how the master of a unit runs.
func (h packageHold) noteForeground(unit string, pid int) error {
	name := filepath.Join(h.runtime, foreground, unit)
	stat, err := nginx.ReadStat(pid)
	if err != nil {
		return nil // it is gone, and what comes next is noted then
	}
	if stat.Daemonized() {
		if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, nil, 0o644)
}
