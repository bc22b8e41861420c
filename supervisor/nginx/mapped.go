package nginx

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"
)

// Mapped is a file that a process has mapped executable: its binary's modules
// and libraries.
type Mapped struct {
	Path    string // as the process saw it when it mapped it
	Deleted bool   // it has been replaced or removed since
	source  string // where its contents can be read all the same
}

// Source leads to the contents that are mapped, also when the file is gone
// (/proc/PID/map_files). It needs the right to trace the process.
func (m Mapped) Source() string { return m.source }

// Module reports whether the file is a dynamic module of nginx, as far as its
// name tells.
func (m Mapped) Module() bool {
	return strings.Contains(m.Path, "/modules/") && strings.HasSuffix(m.Path, ".so")
}

// ReadMapped lists the executable file-backed mappings of a process, without
// its binary.
func ReadMapped(pid int) ([]Mapped, error) {
	data, err := os.ReadFile(procPath(pid, "maps"))
	if err != nil {
		return nil, err
	}
	exe, err := os.Readlink(ExePath(pid))
	if err != nil {
		return nil, err
	}
	return parseMaps(data, pid, strings.TrimSuffix(exe, deletedMark)), nil
}

const deletedMark = " (deleted)"

// parseMaps reads /proc/PID/maps: address, permissions, offset, device, inode
// and path.
func parseMaps(data []byte, pid int, exe string) []Mapped {
	var found []Mapped
	seen := make(map[string]bool)
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		f := strings.SplitN(lines.Text(), " ", 6)
		if len(f) < 6 || len(f[1]) < 3 || f[1][2] != 'x' {
			continue
		}
		name := strings.TrimLeft(f[5], " ")
		if !strings.HasPrefix(name, "/") {
			continue // [vdso] and anonymous memory
		}
		path, deleted := strings.CutSuffix(name, deletedMark)
		if path == exe || seen[path] || strings.HasPrefix(path, "/dev/") {
			continue
		}
		seen[path] = true
		found = append(found, Mapped{Path: path, Deleted: deleted, source: fmt.Sprintf("/proc/%d/map_files/%s", pid, f[0])})
	}
	return found
}
