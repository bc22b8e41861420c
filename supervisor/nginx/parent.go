package nginx

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ReadParent returns what getppid(2) gives to a process, where pid is a number of
// our own PID namespace: in a container the parent of a daemon is often 1 there
// and something else here. 0 is a parent outside the process' namespace.
func ReadParent(pid int) (int, error) {
	stat, err := ReadStat(pid)
	if err != nil || stat.PPID == 0 {
		return 0, err
	}
	own, err := os.ReadFile(procPath(pid, "status"))
	if err != nil {
		return 0, err
	}
	parent, err := os.ReadFile(procPath(stat.PPID, "status"))
	if err != nil {
		return 0, err
	}
	return parentOf(own, parent)
}

// parentOf reads the NSpid lines of two /proc/PID/status files: the numbers of a
// process from our namespace to its own, proc_pid_status(5).
func parentOf(own, parent []byte) (int, error) {
	depth, err := nsPIDs(own)
	if err != nil {
		return 0, err
	}
	pids, err := nsPIDs(parent)
	if err != nil {
		return 0, err
	}
	if len(pids) < len(depth) {
		return 0, nil
	}
	return pids[len(depth)-1], nil
}

func nsPIDs(status []byte) ([]int, error) {
	for line := range strings.Lines(string(status)) {
		list, ok := strings.CutPrefix(line, "NSpid:")
		if !ok {
			continue
		}
		var pids []int
		for field := range strings.FieldsSeq(list) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return nil, fmt.Errorf("cannot read NSpid: %w", err)
			}
			pids = append(pids, pid)
		}
		if len(pids) > 0 {
			return pids, nil
		}
	}
	return nil, errors.New("cannot tell the pids of a process in its namespaces: no NSpid")
}
