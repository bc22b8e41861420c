package supervisor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// watched is a directory as the kernel names it in the list of watches.
type watched struct{ inode, device string }

// watch asks whether the daemon is told when something lands: with inotify's own
// list of what it watches. We set the same watches for a moment, since file
// systems do not always show an inode to stat(2) as they do here.
func (e *examination) watch(context.Context) Finding {
	dirs, err := e.landings()
	if err != nil {
		return ofError(LevelFailure, err)
	}
	want, err := tryWatches(e.m.PID, dirs)
	if err != nil {
		return Finding{Level: LevelFailure, Text: err.Error(), Remedy: inotifyRemedy}
	}
	if e.daemon == 0 {
		return okay("%s can be watched, as soon as the daemon runs", strings.Join(dirs, ", "))
	}
	have, err := watches(e.daemon)
	if err != nil {
		return ofError(LevelFailure, err)
	}
	for i, w := range want {
		if !slices.Contains(have, w) {
			return Finding{Level: LevelWarning, Text: fmt.Sprintf("the daemon does not watch %s and looks there only once a minute", dirs[i]),
				Remedy: "systemctl restart nginx-hotswap; journalctl -u nginx-hotswap -n 20"}
		}
	}
	return okay("the daemon watches %s", strings.Join(dirs, ", "))
}

// inotifyRemedy raises both limits of inotify.
var inotifyRemedy = sysctl("inotify", "fs.inotify.max_user_instances=512", "fs.inotify.max_user_watches=65536")

// landings are the directories in which a new binary, module or library, or a
// symbolic link on the way to it, would be put.
func (e *examination) landings() ([]string, error) {
	v := e.s.snapshot()
	var dirs []string
	for _, path := range append([]string{v.path}, v.mapped...) {
		trail, err := e.m.root.Walk(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it is the check of disk and memory that tells
		}
		if err != nil {
			return nil, err
		}
		for _, entry := range trail {
			if dir := filepath.Dir(entry.Path); !entry.Info.IsDir() && !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs, nil
}

// tryWatches watches directories in the view of a process, one after the other
// and no longer than it takes to see how the kernel names them.
func tryWatches(pid int, dirs []string) ([]watched, error) {
	var found []watched
	for _, dir := range dirs {
		w, err := tryWatch(fmt.Sprintf("/proc/%d/root%s", pid, dir))
		if err != nil {
			return nil, fmt.Errorf("cannot watch %s: %w", dir, err)
		}
		found = append(found, w)
	}
	return found, nil
}

func tryWatch(dir string) (watched, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return watched{}, fmt.Errorf("there is no inotify instance left: %w", err)
	}
	defer unix.Close(fd)
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE); err != nil {
		return watched{}, err
	}
	found, err := watchesOf(os.Getpid(), strconv.Itoa(fd))
	if err == nil && len(found) != 1 {
		err = errors.New("the kernel does not list the watches of inotify")
	}
	if err != nil {
		return watched{}, err
	}
	return found[0], nil
}

// inotifyLeft asks whether the limits of inotify leave room for the daemon.
func inotifyLeft(daemon int, _ Config) Finding {
	if _, err := tryWatch("/"); err != nil {
		return Finding{Level: LevelFailure, Text: err.Error(), Remedy: inotifyRemedy}
	}
	if daemon == 0 {
		return okay("there is room for the watches of the daemon")
	}
	have, err := watches(daemon)
	if err != nil {
		return ofError(LevelFailure, err)
	}
	if len(have) == 0 {
		return Finding{Level: LevelWarning, Text: "the daemon got no watch and looks at the files only now and then", Remedy: inotifyRemedy + " && systemctl restart nginx-hotswap"}
	}
	return okay("the daemon has %d %s, and there is room for more", len(have), plural(len(have), "watch", "watches"))
}

// watches lists what a process watches by inotify, see proc_pid_fdinfo(5).
func watches(pid int) ([]watched, error) {
	links, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return nil, fmt.Errorf("cannot see what process %d watches: %w", pid, err)
	}
	var found []watched
	for _, link := range links {
		target, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, link.Name()))
		if err != nil || target != "anon_inode:inotify" {
			continue
		}
		more, err := watchesOf(pid, link.Name())
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

func watchesOf(pid int, fd string) ([]watched, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/fdinfo/%s", pid, fd))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // closed by now
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var found []watched
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[0] != "inotify" {
			continue
		}
		found = append(found, watched{strings.TrimPrefix(fields[2], "ino:"), strings.TrimPrefix(fields[3], "sdev:")})
	}
	return found, nil
}
