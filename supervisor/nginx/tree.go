package nginx

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Child is a process directly below a master.
type Child struct {
	ID
	Role Role
	// Executed is true for a process that was exec'ed with the rights of the
	// master: a successor, not a worker.
	Executed bool
}

// Tree is a master with its children at one moment.
type Tree struct {
	Master   ID
	Children []Child // by start time
}

// ReadTree looks at a master and its children. The cost grows with the number
// of processes and of nothing else.
func ReadTree(master ID) (Tree, error) {
	pids, err := childPIDs(master.PID)
	if err != nil {
		return Tree{}, fmt.Errorf("cannot list the children of pid %d: %w", master.PID, err)
	}
	t := Tree{Master: master}
	for _, pid := range pids {
		if c, ok := readChild(pid, master.PID); ok {
			t.Children = append(t.Children, c)
		}
	}
	slices.SortFunc(t.Children, func(a, b Child) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.PID, b.PID))
	})
	return t, nil
}

// readChild reports false for a process that is gone, is a zombie, or has
// another parent by now.
func readChild(pid, master int) (Child, bool) {
	stat, err := ReadStat(pid)
	if err != nil || stat.PPID != master || stat.State == 'Z' || stat.State == 'X' {
		return Child{}, false
	}
	title, err := ReadTitle(pid)
	if err != nil {
		return Child{}, false
	}
	c := Child{ID: ID{PID: pid, Start: stat.Start}, Role: title.Role}
	if stat.Executed() {
		if c.Executed, err = sameUsers(pid, master); err != nil {
			return Child{}, false // it has just gone
		}
	}
	switch {
	case stat.Executed() && !c.Executed:
		// A worker that somebody has broken into can execute what it likes and
		// call itself what it likes. For the master it is still that worker.
		c.Role = RoleDraining
	case c.Role == RoleMaster && !c.Executed:
		// A forked worker shows its master's title until it is initialised.
		c.Role = RoleStarting
	}
	return c, true
}

// childPIDs uses /proc/PID/task/PID/children (CONFIG_PROC_CHILDREN), and where
// the kernel lacks it goes through all of /proc.
func childPIDs(pid int) ([]int, error) {
	data, err := os.ReadFile(procPath(pid, "task/"+strconv.Itoa(pid)+"/children"))
	if err != nil {
		if _, gone := os.Stat(procPath(pid, "")); gone != nil {
			return nil, ErrGone
		}
		return scanChildren(pid)
	}
	var pids []int
	for field := range strings.FieldsSeq(string(data)) {
		n, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		pids = append(pids, n)
	}
	return pids, nil
}

func scanChildren(parent int) ([]int, error) {
	names, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, n := range names {
		pid, err := strconv.Atoi(n.Name())
		if err != nil {
			continue
		}
		if stat, err := ReadStat(pid); err == nil && stat.PPID == parent {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// With returns the forked children in one of the given roles.
func (t Tree) With(roles ...Role) []Child {
	var found []Child
	for _, c := range t.Children {
		if !c.Executed && slices.Contains(roles, c.Role) {
			found = append(found, c)
		}
	}
	return found
}

// Successors returns the children that were exec'ed: while an upgrade runs,
// the new master.
func (t Tree) Successors() []Child {
	var found []Child
	for _, c := range t.Children {
		if c.Executed {
			found = append(found, c)
		}
	}
	return found
}

// IsMaster reports whether a process is an nginx master that is past its
// start-up.
func IsMaster(pid int) bool {
	title, err := ReadTitle(pid)
	if err != nil || title.Role != RoleMaster {
		return false
	}
	stat, err := ReadStat(pid)
	if err != nil {
		return false
	}
	if parent, err := ReadTitle(stat.PPID); err != nil || parent.Role != RoleMaster {
		return true
	}
	if !stat.Executed() {
		return false
	}
	same, err := sameUsers(pid, stat.PPID)
	return err == nil && same
}
