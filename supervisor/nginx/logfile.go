package nginx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// logFile is one file that the master appends to.
type logFile struct {
	file   *os.File
	info   os.FileInfo
	path   string // as the master knows it
	offset int64  // of the first line that is not read yet
	// certain is set for the file that is the master's standard error as
	// well (ngx_log_redirect_stderr), and for one that has shown a line of an
	// error log. An access log is opened the same way and is dropped when it
	// shows its first line.
	certain bool
	gone    bool // the master has closed it
}

// openLog returns nil for a descriptor that is closed by now or no log.
func openLog(pid int, fd string) (*logFile, error) {
	const stderr = "2"
	name := procPath(pid, "fd/"+fd)
	// What is opened must not be a FIFO or a device.
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() || !appends(pid, fd) && fd != stderr {
		return nil, nil
	}
	file, err := os.Open(name)
	if err != nil {
		if fd != stderr || errors.Is(err, os.ErrNotExist) {
			err = nil // it may be on a file system that root may not read
		}
		return nil, err
	}
	path, err := os.Readlink(name)
	if err == nil {
		info, err = file.Stat()
	}
	if err != nil {
		file.Close()
		return nil, nil
	}
	return &logFile{file: file, info: info, path: strings.TrimSuffix(path, " (deleted)"), certain: fd == stderr}, nil
}

// appends reads the flags of a descriptor from /proc/PID/fdinfo.
func appends(pid int, fd string) bool {
	data, err := os.ReadFile(procPath(pid, filepath.Join("fdinfo", fd)))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, "flags:"); ok {
			flags, err := strconv.ParseUint(strings.TrimSpace(value), 8, 32)
			return err == nil && flags&unix.O_APPEND != 0 && flags&unix.O_ACCMODE != unix.O_RDONLY
		}
	}
	return false
}

// maxLogRead bounds what is read of one file at a time.
const maxLogRead = 256 << 10

// read closes a file that turns out to be none of an error log.
func (f *logFile) read() (lines []LogLine, more bool, err error) {
	info, err := f.file.Stat()
	if err != nil {
		return nil, false, err
	}
	if info.Size() < f.offset {
		f.offset = 0 // copied and truncated by logrotate
	}
	chunk := make([]byte, min(info.Size()-f.offset, maxLogRead))
	n, err := f.file.ReadAt(chunk, f.offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, fmt.Errorf("cannot read the log %s: %w", f.path, err)
	}
	whole := bytes.LastIndexByte(chunk[:n], '\n') + 1
	if whole == 0 && n == maxLogRead {
		whole = n // no line of nginx is that long
	}
	f.offset += int64(whole)
	parsed := 0
	for line := range bytes.Lines(chunk[:whole]) {
		l, ok := ParseLogLine(string(line))
		if !ok {
			continue
		}
		parsed++
		if _, exit := l.Child(); exit || l.Explains() {
			lines = append(lines, l)
		}
	}
	f.certain = f.certain || parsed > 0
	if whole > 0 && !f.certain {
		f.file.Close()
		f.file = nil
		return nil, false, nil
	}
	return lines, whole > 0 && f.offset < info.Size(), nil
}
