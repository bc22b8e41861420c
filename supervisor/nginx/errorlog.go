package nginx

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// ErrorLog follows the error logs of a master: what is written to them from
// now on, whoever renames them. It waits for nothing: the caller asks when it has
// a reason. It is for one goroutine.
type ErrorLog struct {
	master *Process
	files  []*logFile
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
