package nginx

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Mapped is a file that a process has mapped executable: its binary's modules
// and libraries.
type Mapped struct {
	Path    string // as the process saw it when it mapped it
	Deleted bool   // it has been replaced or removed since
	source  string // where its contents can be read all the same
	direct  string // where they can be read while it is in place
	device  uint64
	inode   uint64
}

// Open opens the contents that are mapped, also when the file is gone
// (/proc/PID/map_files). That needs CAP_SYS_ADMIN; without it the file is
// opened by its name, if it is still the same.
func (m Mapped) Open() (*os.File, error) {
	f, err := os.Open(m.source)
	if !errors.Is(err, os.ErrPermission) {
		return f, err
	}
	if f, err = os.Open(m.direct); err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Ino != m.inode || st.Dev != m.device {
		f.Close()
		return nil, fmt.Errorf("%s was replaced, and only CAP_SYS_ADMIN may read what is mapped", m.Path)
	}
	return f, nil
}

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
		var from, to uint64
		if _, err := fmt.Sscanf(f[0], "%x-%x", &from, &to); err != nil {
			continue
		}
		// The names in map_files have no leading zeros.
		source := procPath(pid, fmt.Sprintf("map_files/%x-%x", from, to))
		m := Mapped{Path: path, Deleted: deleted, source: source, direct: procPath(pid, "root") + path}
		var major, minor uint32
		if _, err := fmt.Sscanf(f[3]+" "+f[4], "%x:%x %d", &major, &minor, &m.inode); err != nil {
			continue
		}
		m.device = unix.Mkdev(major, minor)
		found = append(found, m)
	}
	return found
}
