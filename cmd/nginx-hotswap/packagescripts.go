package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// packages returns the packages whose postinst is run now, on this system, by the
// dpkg that holds the lock. Anybody can put what looks like one into an
// environment: a script of dpkg's is root's and descends from it, through apt,
// debconf or unattended-upgrades.
func (h packageHold) packages() []string {
	dpkg, err := h.holder()
	if err != nil || dpkg == 0 {
		return nil
	}
	entries, err := os.ReadDir(h.proc)
	if err != nil {
		return nil
	}
	var found []string
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		environ, err := os.ReadFile(h.file(pid, "environ"))
		if err != nil {
			continue // it is gone
		}
		if name := configured(environ); name != "" && h.onHost(pid) && h.descends(pid, dpkg) {
			found = append(found, name)
		}
	}
	return found
}

func (h packageHold) file(pid int, name string) string {
	return filepath.Join(h.proc, strconv.Itoa(pid), name)
}

// onHost reports whether a process sees the files that PID 1 sees. The scripts of
// containers, which have mount namespaces of their own, are no matter of this one.
func (h packageHold) onHost(pid int) bool {
	host, err := os.Readlink(h.file(1, "ns/mnt"))
	if err != nil {
		return false
	}
	namespace, err := os.Readlink(h.file(pid, "ns/mnt"))
	if err != nil || namespace != host {
		return false
	}
	root, err := os.Readlink(h.file(pid, "root"))
	return err == nil && root == "/"
}

// ancestors bounds the way up: pids that are used again could make a circle.
const ancestors = 64

// descends reports whether a process of root's is a descendant of another one, and
// all between them are root's.
func (h packageHold) descends(pid, from int) bool {
	for range ancestors {
		parent, root := h.lineage(pid)
		if !root || parent == 0 {
			return false
		}
		if parent == from {
			return true
		}
		pid = parent
	}
	return false
}

// lineage returns the parent of a process, and whether it is root's in every
// respect: a set-uid program has the environment of who has called it.
func (h packageHold) lineage(pid int) (parent int, root bool) {
	status, err := os.ReadFile(h.file(pid, "status"))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "PPid:"); ok {
			parent, _ = strconv.Atoi(strings.TrimSpace(value)) // 0 has no ancestors
		}
	}
	users, err := nginx.ParseUsers(status)
	return parent, err == nil && users == nginx.Users{}
}

// packageName is what Debian policy allows, section 5.6.1.
var packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)

// configured returns the package in whose postinst a process runs, from its
// environment, see dpkg(1).
func configured(environ []byte) string {
	var name, script string
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		key, value, _ := strings.Cut(string(entry), "=")
		switch key {
		case "DPKG_MAINTSCRIPT_PACKAGE":
			name = value
		case "DPKG_MAINTSCRIPT_NAME":
			script = value
		}
	}
	if script != maintainerScript || !packageName.MatchString(name) {
		return ""
	}
	return name
}
