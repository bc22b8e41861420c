package nginx

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Users are the real, effective, saved and file system user of a process, as we
// see them. A program that is set-uid has one that is not its caller's; a worker
// has none of root's left (ngx_worker_process_init, setuid(2)).
type Users [4]uint32

// All reports whether each of them is one of the given.
func (u Users) All(allowed func(uid uint32) bool) bool {
	for _, uid := range u {
		if !allowed(uid) {
			return false
		}
	}
	return true
}

// ReadUsers reads the users of a process from /proc/PID/status.
func ReadUsers(pid int) (Users, error) {
	data, err := os.ReadFile(procPath(pid, "status"))
	if err != nil {
		return Users{}, err
	}
	return ParseUsers(data)
}

// ParseUsers reads the Uid line of /proc/PID/status.
func ParseUsers(status []byte) (Users, error) {
	var u Users
	for line := range strings.Lines(string(status)) {
		value, ok := strings.CutPrefix(line, "Uid:")
		if !ok {
			continue
		}
		fields := strings.Fields(value)
		if len(fields) != len(u) {
			return Users{}, fmt.Errorf("cannot read the users of a process: %d of %d", len(fields), len(u))
		}
		for i, field := range fields {
			n, err := strconv.ParseUint(field, 10, 32)
			if err != nil {
				return Users{}, fmt.Errorf("cannot read the users of a process: %w", err)
			}
			u[i] = uint32(n)
		}
		return u, nil
	}
	return Users{}, errors.New("cannot read the users of a process: no line of them")
}

// sameUsers reports whether two processes have the same users.
func sameUsers(a, b int) (bool, error) {
	of, err := ReadUsers(a)
	if err != nil {
		return false, err
	}
	other, err := ReadUsers(b)
	return of == other, err
}
