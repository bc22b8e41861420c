package nginx

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// appendTo opens a log as nginx does. This process is the master of these
// tests.
func appendTo(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func follow(t *testing.T) *ErrorLog {
	t.Helper()
	self, err := Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { self.Close() })
	l, err := OpenErrorLog(self)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// logText is a line that counts, with a text of its own.
func logText(text string) string { return "2026/11/22 16:23:05 [alert] 1#1: " + text + "\n" }

func write(t *testing.T, f *os.File, text ...string) {
	t.Helper()
	if _, err := f.WriteString(strings.Join(text, "")); err != nil {
		t.Fatal(err)
	}
}

// wantTexts reads until there is no more and compares.
func wantTexts(t *testing.T, l *ErrorLog, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, texts(t, l)); diff != "" {
		t.Error(diff)
	}
}

// wantTextsOfFiles is for lines of several files, which are read in no order.
func wantTextsOfFiles(t *testing.T, l *ErrorLog, sorted ...string) {
	t.Helper()
	if diff := cmp.Diff(sorted, slices.Sorted(slices.Values(texts(t, l)))); diff != "" {
		t.Error(diff)
	}
}

func texts(t *testing.T, l *ErrorLog) (got []string) {
	t.Helper()
	for more := true; more; {
		var lines []LogLine
		var err error
		if lines, more, err = l.Read(); err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			got = append(got, line.Text)
		}
	}
	return got
}

func following(l *ErrorLog, path string) bool {
	return slices.ContainsFunc(l.files, func(f *logFile) bool { return f.path == path })
}

func TestErrorLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "error.log")
	log := appendTo(t, path)
	appendTo(t, path) // a second descriptor of the same file
	write(t, log, logText("before"))
	l := follow(t)
	wantTexts(t, l)
	write(t, log, logText("one"), "2026/11/22 16:23:05 [notice] 1#1: nothing\n", "a further line\n", logText("two"))
	wantTexts(t, l, "one", "two")
	wantTexts(t, l)

	whole := logText("in two parts")
	write(t, log, whole[:30])
	wantTexts(t, l)
	write(t, log, whole[30:])
	wantTexts(t, l, "in two parts")

	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	write(t, log, logText("new"))
	wantTexts(t, l, "new")

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(t, log, logText("unlinked"))
	wantTexts(t, l, "unlinked")
}

// A flood is read in parts, and a line without an end does not stop it.
func TestErrorLogFlood(t *testing.T) {
	log := appendTo(t, filepath.Join(t.TempDir(), "error.log"))
	l := follow(t)
	flood := strings.Repeat("2026/11/22 16:23:05 [error] 1#1: *1 connect() failed\n", 3*maxLogRead/50)
	write(t, log, logText("first"), flood, logText("last"))
	lines, more, err := l.Read()
	if err != nil || !more || len(lines) != 1 {
		t.Fatalf("%d lines, more is %v, %v", len(lines), more, err)
	}
	wantTexts(t, l, "last")
	write(t, log, strings.Repeat("x", 2*maxLogRead), "\n", logText("after"))
	wantTexts(t, l, "after")
}

func TestErrorLogReopen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "error.log")
	old := appendTo(t, path)
	kept := appendTo(t, filepath.Join(dir, "kept.log"))
	l := follow(t)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, old, logText("to the old one"))
	renewed := appendTo(t, path)
	write(t, renewed, logText("to the new one"))
	write(t, kept, logText("kept"))
	other := appendTo(t, filepath.Join(dir, "other.log"))
	write(t, other, logText("before we looked"))
	old.Close()
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	wantTextsOfFiles(t, l, "kept", "to the new one", "to the old one")
	write(t, other, logText("other"))
	write(t, kept, logText("kept again"))
	wantTextsOfFiles(t, l, "kept again", "other")
	if following(l, path+".1") {
		t.Error("the old file is still held")
	}
}

// Access logs are opened like error logs and are much longer.
func TestErrorLogIsNoAccessLog(t *testing.T) {
	dir := t.TempDir()
	access, log := appendTo(t, filepath.Join(dir, "access.log")), appendTo(t, filepath.Join(dir, "error.log"))
	reading, err := os.Open(access.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	l := follow(t)
	if !following(l, access.Name()) || !following(l, log.Name()) {
		t.Fatal("the logs were not found")
	}
	write(t, access, `127.0.0.1 - - [22/Nov/2026:16:23:05 +0000] "GET / HTTP/1.1" 200 0`+"\n")
	write(t, log, logText("one"), "continued\n")
	wantTexts(t, l, "one")
	if following(l, access.Name()) {
		t.Error("the access log is still followed")
	}
	write(t, log, "only the rest of a message\n")
	wantTexts(t, l)
	write(t, log, logText("two"))
	wantTexts(t, l, "two")
}

func TestErrorLogFiles(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, flags := range map[string]int{"read": os.O_RDONLY, "write": os.O_WRONLY, "append": os.O_WRONLY | os.O_APPEND,
		"both": os.O_RDWR | os.O_APPEND, "append to read": os.O_RDONLY | os.O_APPEND} {
		f, err := os.OpenFile(filepath.Join(dir, name), flags|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	pipe, err := os.OpenFile(fifo, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	l := follow(t)
	var got []string
	for _, f := range l.files {
		if filepath.Dir(f.path) == dir {
			got = append(got, filepath.Base(f.path))
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"append", "both"}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := OpenErrorLog(&Process{ID: ID{PID: maxPID + 1}}); err == nil {
		t.Error(fmt.Errorf("logs of no process"))
	}
}
