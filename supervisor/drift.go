package supervisor

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// maxDriftFiles bounds how many files of the configuration are looked at.
const maxDriftFiles = 10000

// drift names a file of the configuration that was changed after the master
// loaded it, or returns "". USR2 loads what is on disk, so what goes wrong
// under drift may be the configuration's fault and not the build's.
//
// The last load is when the oldest worker was started: a reload replaces all.
// Files that are included from outside the directory of nginx.conf are not
// looked at.
func (m *master) drift() string {
	loaded, ok := m.loadedAt()
	if !ok {
		return ""
	}
	trail, err := m.root.Walk(m.files.Config)
	if err != nil {
		return ""
	}
	dir := filepath.Dir(trail[len(trail)-1].Path)
	changed, seen := "", 0
	_ = m.root.Directory(dir, func(host string) error {
		return filepath.WalkDir(host+"/", func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return nil // what cannot be read is no evidence
			}
			if seen++; seen > maxDriftFiles {
				return fs.SkipAll
			}
			info, err := os.Stat(path)
			if err == nil && info.ModTime().After(loaded) {
				rest, _ := filepath.Rel(host, path)
				changed = filepath.Join(dir, rest)
				return fs.SkipAll
			}
			return nil
		})
	})
	return changed
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
