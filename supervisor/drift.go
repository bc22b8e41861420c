package supervisor

import (
	"fmt"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// drift names a file of the configuration that was changed after the master
// loaded it, or returns "". USR2 loads what is on disk, so what goes wrong
// under drift may be the configuration's fault and not the build's.
//
// The last load is when the oldest worker was started: a reload replaces all.
func (m *master) drift() string {
	loaded, ok := m.loadedAt()
	if !ok {
		return ""
	}
	for _, path := range m.files.Included(m.root) {
		if info, err := m.root.Stat(path); err == nil && info.ModTime().After(loaded) {
			return path
		}
	}
	return ""
}

// loadedAt is when the master loaded its configuration, to a second.
func (m *master) loadedAt() (time.Time, bool) {
	tree, err := nginx.ReadTree(m.ID)
	if err != nil {
		return time.Time{}, false
	}
	workers := tree.With(nginx.RoleWorker)
	if len(workers) == 0 {
		return time.Time{}, false
	}
	// Children are sorted by start time. Start times are in ticks of 10 ms.
	age := workers[0].Start - m.Start
	const tick = 10 * time.Millisecond
	return m.since.Add(time.Duration(age)*tick + time.Second), true
}

// driftText is how drift is spoken of.
func driftText(file string) string {
	if file == "" {
		return ""
	}
	return fmt.Sprintf("%s was changed after the running master loaded it, the successor loads it as it is now", file)
}
