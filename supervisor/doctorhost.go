package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// memory asks whether there is room for two generations.
func (e *examination) memory(ctx context.Context) Finding {
	tight, err := e.s.checkMemory(ctx, e.m)
	if err != nil {
		return ofError(LevelFailure, err)
	}
	need, err := e.m.measureMemory(ctx)
	switch {
	case err != nil:
		return note("it cannot be told whether there is room for two generations: %v", err)
	case tight != "":
		return Finding{Level: LevelWarning, Text: tight, Remedy: "ps -o pid,rss,args --sort=-rss -e | head # see what could give way"}
	}
	return okay("a second generation needs about %s, and %s is free", size(need.one), size(need.available))
}

// daemonUnit is the unit of the daemon.
const daemonUnit = "nginx-hotswap.service"

// sandbox asks whether the daemon sees the pid file by which the instance is
// known. All else it sees through the master's own mounts.
func (e *examination) sandbox(context.Context) Finding {
	path := e.s.instance.PIDFile
	switch {
	case path == "":
		return okay("the daemon sees the files of nginx through the mounts of nginx")
	case e.daemon == 0:
		return okay("the daemon does not run: whether it sees %s shows when it does", path)
	}
	hidden, err := hiddenFrom(e.daemon, path)
	if err != nil {
		return ofError(LevelFailure, err)
	}
	if !hidden {
		return okay("the daemon sees %s", path)
	}
	return Finding{Level: LevelFailure, Text: fmt.Sprintf("the sandbox of the daemon hides %s, by which the instance is known", path), Remedy: unhide(path)}
}

// daemonDropIn is a remedy for the daemon's own unit.
func daemonDropIn(lines ...string) string {
	return dropIn(daemonUnit, lines...) + "\n# and then: systemctl restart nginx-hotswap"
}

// hiddenFrom reports whether a process does not see the file that we see.
func hiddenFrom(pid int, path string) (bool, error) {
	ours, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	theirs, err := os.Stat(fmt.Sprintf("/proc/%d/root%s", pid, path))
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return !os.SameFile(ours, theirs), nil
}

// unhide is a drop-in that makes a path visible to the daemon.
func unhide(path string) string {
	below := func(dirs ...string) bool {
		return slices.ContainsFunc(dirs, func(dir string) bool { return strings.HasPrefix(path, dir+"/") })
	}
	lines := []string{"InaccessiblePaths=", "TemporaryFileSystem=", "BindReadOnlyPaths=" + filepath.Dir(path)}
	switch {
	case below("/tmp", "/var/tmp"):
		lines = []string{"PrivateTmp=no"}
	case below("/home", "/root", "/run/user"):
		lines = []string{"ProtectHome=read-only"}
	}
	return daemonDropIn(lines...)
}

// daemonChecks are those of the daemon's process, wherever it may be.
var daemonChecks = []struct {
	name string
	look func(daemon int, c Config) Finding
}{
	{"inotify", inotifyLeft},
	{"package-locks", locksReadable},
	{"metrics", metricsWritable},
}

// HostChecks are the names of the checks that ExamineHost makes.
func HostChecks() []string {
	var names []string
	for _, c := range daemonChecks {
		names = append(names, c.name)
	}
	return names
}

// ExamineHost looks for what would keep the daemon from its work. daemon is its
// pid, or 0.
func ExamineHost(daemon int, c Config) []Finding {
	var found []Finding
	for _, check := range daemonChecks {
		f := check.look(daemon, c)
		f.Check = check.name
		found = append(found, f)
	}
	return found
}

// locksReadable asks whether package transactions are seen, by us and by the
// daemon: a lock that is hidden looks like one that nobody holds.
func locksReadable(daemon int, _ Config) Finding {
	var seen []string
	for _, l := range PackageLocks {
		if _, err := os.Lstat(l.Path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		seen = append(seen, l.Path)
		if _, err := TransactionRuns([]PackageLock{l}); err != nil {
			return Finding{Level: LevelFailure, Text: fmt.Sprintf("cannot see whether a package transaction runs: %v", err), Remedy: asRoot}
		}
		if daemon == 0 {
			continue
		}
		if hidden, err := hiddenFrom(daemon, l.Path); err != nil || hidden {
			return Finding{Level: LevelFailure, Text: fmt.Sprintf("the sandbox of the daemon hides %s: it would not wait for the end of package transactions", l.Path),
				Remedy: unhide(l.Path)}
		}
	}
	if len(seen) == 0 {
		return okay("this host has no locks of dpkg or rpm")
	}
	return okay("%s can be read", strings.Join(seen, ", "))
}

// metricsWritable asks whether the metrics reach their directory.
func metricsWritable(daemon int, c Config) Finding {
	dir := c.TextfileDirectory
	if dir == "" {
		return okay("no metrics are written (TextfileDirectory= is empty)")
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return Finding{Level: LevelFailure, Text: fmt.Sprintf("TextfileDirectory=%s is no directory", dir), Remedy: "install -d -m 755 " + shellWord(dir)}
	}
	if daemon == 0 {
		return okay("metrics go to %s when the daemon runs", dir)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(fmt.Sprintf("/proc/%d/root%s", daemon, dir), &fs); err != nil || fs.Flags&unix.ST_RDONLY != 0 {
		// Without "-" the daemon would not start when the directory is gone.
		return Finding{Level: LevelFailure, Text: fmt.Sprintf("the sandbox of the daemon does not let it write to TextfileDirectory=%s", dir),
			Remedy: daemonDropIn("ReadWritePaths=-" + dir)}
	}
	return okay("metrics go to %s", dir)
}
