package supervisor

import (
	"fmt"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// load is one load of the configuration by a master: its start or a reload,
// which replaces all workers.
type load struct {
	at     time.Time         // to a second, rounded up
	worker uint64            // start time of the oldest worker since
	files  map[string]string // SHA-256 of the files that had not been touched since then
}

// LoadedAt says when a master loaded its configuration whose workers do not tell:
// those that were started anew on a way back have it from the master's memory.
type LoadedAt struct {
	Master nginx.ID  `json:"master"`
	Worker uint64    `json:"worker"`
	At     time.Time `json:"at"`
}

// noteLoad remembers what a master has loaded, if it has loaded something since
// this was called last.
func (s *Supervisor) noteLoad(m *master, tree nginx.Tree) {
	at, worker, ok := m.loadedAt(tree)
	if !ok || m.load != nil && m.load.worker == worker {
		return
	}
	if known := s.lastLoad(); known != nil && known.Master == m.ID && known.Worker == worker {
		at = known.At
	}
	l := &load{at: at, worker: worker, files: make(map[string]string)}
	for _, path := range m.files.Included(m.root) {
		info, err := m.root.Stat(path)
		if err != nil || info.ModTime().After(at) {
			continue
		}
		if sha, err := hashConfig(m.root, path); err == nil {
			l.files[path] = sha
		}
	}
	m.load = l
}

// maxHashed is how much of a file of the configuration is looked at, in bytes:
// whoever may write one file must not keep us busy with it.
const maxHashed = 64 << 20

func hashConfig(root *nginx.Root, path string) (string, error) {
	return hashFirst(root, path, maxHashed)
}

func (s *Supervisor) lastLoad() *LoadedAt {
	if s.attachment == nil {
		return nil
	}
	return s.attachment.Loaded
}

// keepLoad is called after a way back: the workers are new, and what they have
// loaded is not.
func (s *Supervisor) keepLoad(m *master) {
	tree, err := nginx.ReadTree(m.ID)
	if err != nil {
		return
	}
	_, worker, ok := m.loadedAt(tree)
	if !ok || m.load == nil {
		return
	}
	m.load.worker = worker
	s.remember(func(a *Attachment) { a.Loaded = &LoadedAt{m.ID, worker, m.load.at} })
}

// drift names a file of the configuration whose contents have changed after the
// master loaded it, or returns "". USR2 loads what is on disk, so what goes wrong
// under drift may be the configuration's fault and not the build's. Packages
// write files anew that are as they were.
func (s *Supervisor) drift(m *master) string {
	if tree, err := nginx.ReadTree(m.ID); err == nil {
		s.noteLoad(m, tree)
	}
	if m.load == nil {
		return ""
	}
	for _, path := range m.files.Included(m.root) {
		info, err := m.root.Stat(path)
		if err != nil || !info.ModTime().After(m.load.at) {
			continue
		}
		if sha, err := hashConfig(m.root, path); err != nil || sha != m.load.files[path] {
			return path
		}
	}
	return ""
}

// loadedAt is when the master loaded its configuration, to a second, with the
// start time of its oldest worker: a reload replaces all of them.
func (m *master) loadedAt(tree nginx.Tree) (at time.Time, worker uint64, ok bool) {
	workers := tree.With(nginx.RoleWorker)
	if len(workers) == 0 {
		return time.Time{}, 0, false
	}
	// Children are sorted by start time. Start times are in ticks of 10 ms.
	age := workers[0].Start - m.Start
	const tick = 10 * time.Millisecond
	return m.since.Add(time.Duration(age)*tick + time.Second), workers[0].Start, true
}

// driftText is how drift is spoken of.
func driftText(file string) string {
	if file == "" {
		return ""
	}
	return fmt.Sprintf("%s was changed after the running master loaded it, the successor loads it as it is now", file)
}
