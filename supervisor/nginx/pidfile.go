package nginx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"

	"github.com/google/renameio/v2"
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

// WritePIDFile writes a pid file below the given root as nginx does, but at once:
// nobody sees it empty.
func WritePIDFile(root *Root, path string, pid int) error {
	return root.Directory(filepath.Dir(path), func(dir string) error {
		err := renameio.WriteFile(filepath.Join(dir, filepath.Base(path)), fmt.Appendf(nil, "%d\n", pid), 0o644,
			renameio.WithTempDir(dir), renameio.IgnoreUmask())
		if err != nil {
			return fmt.Errorf("cannot write the pid file %s: %w", path, err)
		}
		return nil
	})
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
