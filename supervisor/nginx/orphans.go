package nginx

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
)

// Orphans returns workers that have no master any more and hold one of the
// sockets: a master that is killed leaves them behind, and they accept for ever.
// The caller must make sure whose they were.
func Orphans(sockets []Listener) ([]ID, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("cannot list the processes: %w", err)
	}
	var found []ID
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		id, err := orphan(pid, sockets)
		if errors.Is(err, ErrGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if id.PID != 0 {
			found = append(found, id)
		}
	}
	return found, nil
}

// orphan returns the zero ID for a process that is none.
func orphan(pid int, sockets []Listener) (ID, error) {
	title, err := ReadTitle(pid)
	if err != nil || !slices.Contains([]Role{RoleWorker, RoleDraining, RoleCacheManager, RoleCacheLoader, RoleAgent}, title.Role) {
		return ID{}, nil
	}
	stat, err := ReadStat(pid)
	if err != nil {
		return ID{}, nil
	}
	if parent, err := ReadTitle(stat.PPID); err == nil && parent.Role == RoleMaster {
		return ID{}, nil
	}
	p, err := OpenID(ID{PID: pid, Start: stat.Start})
	if err != nil {
		return ID{}, err
	}
	defer p.Close()
	holds, err := p.HoldsAny(sockets)
	if err != nil || !holds || !p.Alive() {
		return ID{}, nil
	}
	return p.ID, nil
}
