package nginx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrorLog follows the error logs of a master: what is written to them from
// now on, whoever renames them. It waits for nothing: the caller asks when it has
// a reason. It is for one goroutine.
type ErrorLog struct {
	master *Process
	files  []*logFile
}

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

// OpenErrorLog takes hold of the error logs that a master has open, at their
// present end. Logs that go elsewhere (syslog, a pipe, the journal) are not
// among them. It needs the right to trace the process.
func OpenErrorLog(master *Process) (*ErrorLog, error) {
	l := &ErrorLog{master: master}
	found, err := l.find()
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		f.offset = f.info.Size()
	}
	l.files = found
	return l, nil
}

// Close lets go of the files.
func (l *ErrorLog) Close() {
	for _, f := range l.files {
		f.file.Close()
	}
	l.files = nil
}

// Paths returns names for the open files that inotify(7) can watch. They hold
// on to the files themselves, until Close or Reopen.
func (l *ErrorLog) Paths() []string {
	var paths []string
	for _, f := range l.files {
		paths = append(paths, fdPath(f.file))
	}
	return paths
}

// Reopen looks for the master's logs anew, to be called when it may have opened
// others: after USR1 and HUP. Nothing that was written in between is lost: a
// file that has taken the name of another is read from its beginning, and the
// one that the master has left is read to its end by the next Read.
func (l *ErrorLog) Reopen() error {
	found, err := l.find()
	if err != nil {
		return err
	}
	for _, old := range l.files {
		i := slices.IndexFunc(found, func(f *logFile) bool { return os.SameFile(f.info, old.info) })
		if old.gone = i < 0; !old.gone {
			found[i].file.Close()
			found = slices.Delete(found, i, i+1)
		}
	}
	for _, f := range found {
		if !slices.ContainsFunc(l.files, func(old *logFile) bool { return old.path == f.path }) {
			f.offset = f.info.Size()
		}
	}
	l.files = append(l.files, found...)
	return nil
}

// LogsDiffer reports whether a master appends to a file that another one does
// not append to: so it is when only the other was told, by USR1, that logs were
// rotated.
func LogsDiffer(master, other *Process) (bool, error) {
	open, err := (&ErrorLog{master: master}).find()
	if err != nil {
		return false, err
	}
	defer (&ErrorLog{files: open}).Close()
	others, err := (&ErrorLog{master: other}).find()
	if err != nil {
		return false, err
	}
	defer (&ErrorLog{files: others}).Close()
	return slices.ContainsFunc(open, func(f *logFile) bool {
		return !slices.ContainsFunc(others, func(o *logFile) bool { return os.SameFile(o.info, f.info) })
	}), nil
}

// find opens the regular files that the master appends to, each once.
func (l *ErrorLog) find() (found []*logFile, err error) {
	dir := procPath(l.master.PID, "fd")
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot list the files of pid %d: %w", l.master.PID, err)
	}
	defer func() {
		if err != nil {
			(&ErrorLog{files: found}).Close()
			found = nil
		}
	}()
	for _, n := range names {
		f, err := openLog(l.master.PID, n.Name())
		if err != nil {
			return found, fmt.Errorf("cannot open a log of pid %d: %w", l.master.PID, err)
		}
		if f == nil {
			continue
		}
		i := slices.IndexFunc(found, func(other *logFile) bool { return os.SameFile(f.info, other.info) })
		if i < 0 {
			found = append(found, f)
			continue
		}
		found[i].certain = found[i].certain || f.certain
		f.file.Close()
	}
	if !l.master.Alive() {
		return found, fmt.Errorf("cannot find the logs of pid %d: %w", l.master.PID, ErrGone)
	}
	return found, nil
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

// Read returns the lines that were added since: those about the end of a
// process and those that may explain something ([LogLine.Explains]). More
// reports that there is more to read at once.
func (l *ErrorLog) Read() (lines []LogLine, more bool, err error) {
	var errs error
	keep := l.files[:0]
	for _, f := range l.files {
		added, rest, err := f.read()
		errs = errors.Join(errs, err)
		lines = append(lines, added...)
		more = more || rest
		if f.file != nil && (!f.gone || rest) {
			keep = append(keep, f)
			continue
		}
		if f.file != nil {
			f.file.Close()
		}
	}
	clear(l.files[len(keep):])
	l.files = keep
	return lines, more, errs
}

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
