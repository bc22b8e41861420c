package supervisor

import (
	"context"
	"fmt"
	"math"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// memory is what two generations need, for a moment or as long as old workers
// have connections.
type memory struct {
	one       uint64 // bytes of anonymous memory of the generation that runs
	available uint64 // what the machine could give to another
	limit     uint64 // MemoryMax= of the unit; 0 without one
}

// measureMemory looks at a master and its workers.
func (m *master) measureMemory(ctx context.Context) (memory, error) {
	tree, err := nginx.ReadTree(m.ID)
	if err != nil {
		return memory{}, err
	}
	var found memory
	for _, pid := range append([]int{m.PID}, pidsOf(tree)...) {
		n, err := nginx.Anonymous(pid)
		if err != nil {
			return memory{}, err
		}
		found.one += n
	}
	if found.available, err = nginx.AvailableMemory(); err != nil || m.unit == nil {
		return found, err
	}
	state, err := m.unit.State(ctx)
	if err == nil && state.MemoryMax < math.MaxUint64 {
		found.limit = state.MemoryMax
	}
	return found, err
}

func pidsOf(tree nginx.Tree) []int {
	var pids []int
	for _, child := range tree.Children {
		pids = append(pids, child.PID)
	}
	return pids
}

// judge refuses an upgrade for which there is certainly no room, and says when it
// will be tight. Files in memory do not count: the kernel gives them up.
func (n memory) judge(unit string) (tight string, err error) {
	both := 2 * n.one
	switch {
	case n.limit != 0 && both > n.limit:
		return "", &Refusal{ReasonMemory, fmt.Sprintf("two generations need %s of memory, and MemoryMax= of %s is %s", size(both), unit, size(n.limit)),
			fmt.Sprintf("raise it: systemctl set-property %s MemoryMax=%s", unit, size(both+both/4))}
	case n.limit != 0 && both > n.limit/5*4:
		return fmt.Sprintf("two generations need %s of memory, and MemoryMax= of %s is %s", size(both), unit, size(n.limit)), nil
	case n.one > n.available:
		return fmt.Sprintf("the new version needs about %s of memory, and %s is free", size(n.one), size(n.available)), nil
	}
	return "", nil
}

// size writes bytes as systemd takes them.
func size(n uint64) string {
	const mega = 1 << 20
	if n < mega {
		return fmt.Sprintf("%dK", (n+1023)>>10)
	}
	return fmt.Sprintf("%dM", (n+mega-1)/mega)
}

// checkMemory is part of the pre-flight. What cannot be measured is no reason to
// refuse anything.
func (s *Supervisor) checkMemory(ctx context.Context, m *master) (tight string, err error) {
	need, err := m.measureMemory(ctx)
	if err != nil {
		s.log.Debug("cannot measure the memory of nginx", "error", err)
		return "", nil
	}
	unit := ""
	if m.unit != nil {
		unit = m.unit.Name()
	}
	return need.judge(unit)
}
