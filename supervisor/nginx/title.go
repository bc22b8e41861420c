package nginx

import (
	"bytes"
	"os"
	"strings"
)

// Role is what a process says it is, by its title (ngx_setproctitle).
type Role string

// The roles. A worker carries its title only when ngx_worker_process_init has
// succeeded, so RoleWorker means that it accepts connections.
const (
	RoleMaster       Role = "master"
	RoleWorker       Role = "worker"
	RoleDraining     Role = "draining" // "worker process is shutting down"
	RoleCacheManager Role = "cache manager"
	RoleCacheLoader  Role = "cache loader"
	RoleAgent        Role = "privileged agent" // OpenResty
	RoleStarting     Role = "starting"         // no title yet
)

// Title is a parsed process title.
type Title struct {
	Role Role
	// Rest is what follows the role: for a master its arguments, joined
	// with single spaces. Angie's version and generation are left out.
	Rest string
}

// ReadTitle reads the title of a process from /proc/PID/cmdline.
func ReadTitle(pid int) (Title, error) {
	data, err := os.ReadFile(procPath(pid, "cmdline"))
	if err != nil {
		return Title{}, err
	}
	return ParseTitle(data), nil
}

var roles = []struct {
	words string
	role  Role
}{
	{"master process", RoleMaster},
	{"worker process", RoleWorker},
	{"cache manager process", RoleCacheManager},
	{"cache loader process", RoleCacheLoader},
	{"privileged agent process", RoleAgent},
}

// ParseTitle reads the contents of /proc/PID/cmdline. A process that has not
// set its title, or is not nginx at all, is RoleStarting: its cmdline is still
// its arguments, NUL-separated.
func ParseTitle(cmdline []byte) Title {
	// A title shorter than the memory it stands in is padded with NULs.
	text := string(bytes.TrimRight(cmdline, "\x00"))
	program, words, found := strings.Cut(text, ": ")
	if !found || strings.ContainsAny(program, " /") || strings.Contains(text, "\x00") {
		return Title{Role: RoleStarting}
	}
	for _, r := range roles {
		rest, ok := strings.CutPrefix(words, r.words)
		if !ok || rest != "" && rest[0] != ' ' {
			continue
		}
		t := Title{Role: r.role, Rest: strings.TrimPrefix(rest, " ")}
		switch {
		case t.Role == RoleWorker && strings.HasPrefix(t.Rest, "i"):
			// " is shutting down", perhaps cut off (see ErrArgvLost). What
			// Angie adds to a worker's title is "#" and a number.
			t.Role = RoleDraining
		case t.Role == RoleMaster && program == "angie":
			t.Rest = angieArguments(t.Rest)
		}
		return t
	}
	return Title{Role: RoleStarting}
}

// angieArguments takes `v1.9.0 #2 [/usr/sbin/angie -c x]` apart
// (ngx_update_process_title). The bracket is not closed when Angie, which
// allows for 2 KiB, has cut them off.
func angieArguments(rest string) string {
	_, rest, _ = strings.Cut(rest, " #")
	_, rest, _ = strings.Cut(rest, " [")
	return strings.TrimSuffix(rest, "]")
}
