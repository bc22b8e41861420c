package box

import (
	"bufio"
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

// groupsName is the control group that all machines of this host live in.
const groupsName = "nginx-hotswap-box"

// errUp is the answer to a name that is taken.
var errUp = errors.New("already up")

// group is a control group of the unified hierarchy, by its directory.
type group string

// unifiedMount returns where cgroup2 is mounted: /sys/fs/cgroup, or
// /sys/fs/cgroup/unified beside version 1. See proc_pid_mountinfo(5).
func unifiedMount() (string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		mount, fsType, ok := strings.Cut(s.Text(), " - ")
		if fields := strings.Fields(mount); ok && strings.HasPrefix(fsType, "cgroup2 ") && len(fields) > 4 {
			return fields[4], nil
		}
	}
	return "", errors.New("no cgroup2 is mounted: mount -t cgroup2 cgroup2 /sys/fs/cgroup")
}

// groups returns the group of all machines, which it makes if need be.
func groups() (group, error) {
	mount, err := unifiedMount()
	if err != nil {
		return "", err
	}
	g := group(filepath.Join(mount, groupsName))
	if err := os.Mkdir(string(g), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("cannot make a control group: %w", err)
	}
	return g, g.delegate()
}

// delegate passes every controller on to the groups below, so that MemoryMax=
// works in a machine. Beside version 1 there are none to pass on.
func (g group) delegate() error {
	controllers, err := os.ReadFile(g.file("cgroup.controllers"))
	if err != nil {
		return err
	}
	for name := range strings.FieldsSeq(string(controllers)) {
		if err := g.write("cgroup.subtree_control", "+"+name); err != nil {
			return err
		}
	}
	return nil
}

// claim makes the group of the machine name, runs start with it, and withdraws it
// when that fails. A lock keeps others from taking the group, which is empty until
// start has started a process in it, for the remains of a machine.
func claim(name string, start func(group) error) (group, error) {
	all, err := groups()
	if err != nil {
		return "", err
	}
	unlock, err := all.lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	if err := all.sweep(); err != nil {
		return "", err
	}
	g, err := all.sub(name)
	if errors.Is(err, fs.ErrExist) {
		return "", errUp
	}
	if err != nil {
		return "", err
	}
	if err := start(g); err != nil {
		return "", errors.Join(err, g.remove())
	}
	return g, nil
}

// lock waits for the lock on g, which is held for milliseconds at a time.
func (g group) lock() (unlock func(), err error) {
	f, err := os.Open(string(g))
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot lock %s: %w", g, err), f.Close())
	}
	return func() { f.Close() }, nil
}

// sweep removes the groups of machines that are no more.
func (g group) sweep() error {
	entries, err := os.ReadDir(string(g))
	if err != nil {
		return err
	}
	for _, e := range entries {
		old := group(g.file(e.Name()))
		if !e.IsDir() || old.populated() {
			continue
		}
		if err := old.remove(); err != nil {
			return err
		}
	}
	return nil
}

// sub makes a group below g.
func (g group) sub(name string) (group, error) {
	below := group(g.file(name))
	return below, os.Mkdir(string(below), 0o755)
}

// populated says whether a process lives in g or below it.
func (g group) populated() bool {
	events, err := os.ReadFile(g.file("cgroup.events"))
	return err == nil && slices.Contains(strings.Split(string(events), "\n"), "populated 1")
}

// processes returns the processes in g itself, as the host sees them.
func (g group) processes() (pids []int, err error) {
	list, err := os.ReadFile(g.file("cgroup.procs"))
	if err != nil {
		return nil, err
	}
	for field := range strings.FieldsSeq(string(list)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// kill kills all processes of g and below. None can escape by a fork: see
// cgroup.kill in the kernel's cgroup-v2 documentation.
func (g group) kill() error {
	err := g.write("cgroup.kill", "1")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// remove removes g and all groups below, which must be empty.
func (g group) remove() error {
	var dirs []string
	err := filepath.WalkDir(string(g), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	for _, dir := range slices.Backward(dirs) {
		if rm := os.Remove(dir); !errors.Is(rm, fs.ErrNotExist) {
			err = errors.Join(err, rm)
		}
	}
	return err
}

func (g group) file(name string) string { return filepath.Join(string(g), name) }

func (g group) write(name, value string) error {
	return os.WriteFile(g.file(name), []byte(value), 0)
}
