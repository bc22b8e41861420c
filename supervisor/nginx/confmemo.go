package nginx

import (
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// confFile is what one configuration file says that is of interest to us.
type confFile struct {
	includes    []string // patterns, as they are written
	unix        []string // paths of `listen unix:`
	serverNames []string // the first ones
	quic        bool     // a listen directive has that parameter
}

// maxServerNames bounds the names that are kept of one file.
const maxServerNames = 256

func parseConfFile(source string) confFile {
	var f confFile
	for _, words := range directives(source) {
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "include":
			if len(words) == 2 {
				f.includes = append(f.includes, strings.Clone(words[1]))
			}
		case "listen":
			if path, ok := strings.CutPrefix(words[1], "unix:"); ok {
				f.unix = append(f.unix, strings.Clone(path))
			}
			f.quic = f.quic || slices.Contains(words[2:], "quic")
		case "server_name":
			for _, name := range words[1:] {
				if len(f.serverNames) < maxServerNames && !slices.Contains(f.serverNames, name) {
					f.serverNames = append(f.serverNames, strings.Clone(name))
				}
			}
		}
	}
	return f
}

// confMemo keeps what was read, so that a large configuration is not read five
// times in each cycle. It may be used from several goroutines.
type confMemo struct {
	now   func() time.Time
	mu    sync.Mutex
	known map[string]remembered
}

type remembered struct {
	at   fileState
	file confFile
}

// fileState changes with the contents of a file: whatever writes to it, or puts
// another in its place, moves the time of the last status change.
type fileState struct {
	dev, ino uint64
	size     int64
	changed  syscall.Timespec
}

func stateOfFile(info os.FileInfo) (fileState, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileState{}, false
	}
	return fileState{st.Dev, st.Ino, st.Size, st.Ctim}, true
}

// unsettled is how young a change may be for another one to bear the same time.
const unsettled = time.Second

// read returns what a file says. One that cannot be read says nothing. A nil
// memo remembers nothing.
func (m *confMemo) read(root *Root, path string) confFile {
	if m == nil {
		return parseConfFile(read(root, path))
	}
	info, err := root.Stat(path)
	if err != nil {
		return confFile{}
	}
	state, ok := stateOfFile(info)
	m.mu.Lock()
	defer m.mu.Unlock()
	if known, found := m.known[path]; ok && found && known.at == state {
		return known.file
	}
	file := parseConfFile(read(root, path))
	if ok && m.now().Sub(time.Unix(state.changed.Unix())) > unsettled {
		m.known[path] = remembered{state, file}
	}
	return file
}
