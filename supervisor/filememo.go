package supervisor

import (
	"os"
	"sync"
	"syscall"
	"time"
)

// fileKey identifies contents for as long as nobody writes to the file.
type fileKey struct {
	dev, ino uint64
	size     int64
	mtime    time.Time
}

// keyOf returns false where the kernel does not tell what is needed.
func keyOf(f *os.File) (fileKey, bool, error) {
	info, err := f.Stat()
	if err != nil {
		return fileKey{}, false, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileKey{}, false, nil
	}
	return fileKey{uint64(st.Dev), st.Ino, info.Size(), info.ModTime()}, true, nil
}

// fileMemo remembers what was found out about files. The zero value is ready.
type fileMemo[V any] struct {
	mu      sync.Mutex
	entries map[fileKey]*fileEntry[V]
}

type fileEntry[V any] struct {
	turn  chan struct{} // full while somebody looks
	known bool
	value V
}

// manyFiles are more than the instances of a host and the vault have; then all is
// forgotten.
const manyFiles = 10_000

// of returns what is known of a file, or finds it out. Several who ask for the same
// file wait for one; those who ask for another do not: a build that hangs at -V is
// no matter of theirs. What failed is not remembered.
func (m *fileMemo[V]) of(key fileKey, find func() (V, error)) (V, error) {
	e := m.entry(key)
	e.turn <- struct{}{}
	defer func() { <-e.turn }()
	if e.known {
		return e.value, nil
	}
	value, err := find()
	if err == nil {
		e.known, e.value = true, value
	}
	return value, err
}

func (m *fileMemo[V]) entry(key fileKey) *fileEntry[V] {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entries[key]
	if e == nil {
		if m.entries == nil || len(m.entries) > manyFiles {
			m.entries = make(map[fileKey]*fileEntry[V])
		}
		e = &fileEntry[V]{turn: make(chan struct{}, 1)}
		m.entries[key] = e
	}
	return e
}
