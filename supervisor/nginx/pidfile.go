package nginx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// OldBin is what ngx_exec_new_binary appends to the name of the pid file of
// the master that it replaces.
const OldBin = ".oldbin"

// ErrEmptyPIDFile says that a pid file is there but empty. nginx truncates the
// file before it writes it, so a reader may see that for an instant.
var ErrEmptyPIDFile = errors.New("the pid file is empty")

// ReadPIDFile reads a pid file below the given root.
func ReadPIDFile(root *Root, path string) (int, error) {
	f, err := root.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return 0, err
	}
	pid, err := ParsePID(data)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return pid, nil
}

// ParsePID reads the contents of a pid file: digits and white space.
func ParsePID(data []byte) (int, error) {
	text := string(bytes.TrimSpace(data))
	if text == "" {
		return 0, ErrEmptyPIDFile
	}
	pid, err := strconv.ParseUint(text, 10, 22) // PID_MAX_LIMIT is 2^22
	if err != nil || pid < 1 {
		return 0, fmt.Errorf("not a pid: %.20q", text)
	}
	return int(pid), nil
}
