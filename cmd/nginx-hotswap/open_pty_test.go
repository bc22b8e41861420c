package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// session is a command in a terminal of its own.
type session struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	master *os.File // nil for a pipe
	ended  chan error

	mu     sync.Mutex
	vt     *vt
	bytes  bytes.Buffer
	change chan struct{} // closed at the next output
}

// openPTY returns both ends of a new pseudo-terminal.
func openPTY(t *testing.T, columns, rows int) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(master.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err := errors.Join(err, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0),
		unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(rows), Col: uint16(columns)})); err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	return master, slave
}

// inTerminal starts a command in a terminal of this size.
func inTerminal(t *testing.T, columns, rows int, name string, cmd *exec.Cmd) *session {
	t.Helper()
	s := &session{t: t, name: name, cmd: cmd, vt: newVT(columns, rows), change: make(chan struct{})}
	master, slave := openPTY(t, columns, rows)
	s.master = master
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	s.start(master)
	slave.Close()
	return s
}

// inPipe starts a command whose output goes to a pipe.
func inPipe(t *testing.T, name string, cmd *exec.Cmd) *session {
	t.Helper()
	s := &session{t: t, name: name, cmd: cmd, vt: newVT(1000, 100), change: make(chan struct{})}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	s.start(r)
	w.Close()
	return s
}

func (s *session) start(from io.Reader) {
	s.t.Helper()
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		s.read(from)
	}()
	s.ended = make(chan error, 1)
	go func() {
		err := s.cmd.Wait()
		<-read // all that it has written
		s.ended <- err
	}()
	s.t.Cleanup(func() { _ = s.cmd.Process.Kill() })
}

func (s *session) read(from io.Reader) {
	data := make([]byte, 4096)
	for {
		n, err := from.Read(data)
		s.mu.Lock()
		s.bytes.Write(data[:n])
		if s.master == nil {
			data := bytes.ReplaceAll(data[:n], []byte("\n"), []byte("\r\n")) // as the terminal driver does
			s.vt.write(data)
		} else {
			s.vt.write(data[:n])
		}
		close(s.change)
		s.change = make(chan struct{})
		s.mu.Unlock()
		if err != nil {
			return // EIO: the last one has closed it
		}
	}
}

// wait waits until the screen is as it should be, and returns it.
func (s *session) wait(what string, ok func(lines []string) bool) []string {
	s.t.Helper()
	limit := time.After(untilLimit)
	for {
		s.mu.Lock()
		lines, change, err := s.vt.all(), s.change, s.vt.err
		half := s.vt.noMargin || len(s.vt.rest) > 0 // of a picture
		s.mu.Unlock()
		if err != nil {
			s.t.Fatalf("%s: %v", s.name, err)
		}
		if !half && ok(lines) {
			return lines
		}
		select {
		case <-change:
		case <-limit:
			s.t.Fatalf("%s does not show %s:\n%s", s.name, what, joined(lines))
		}
	}
}

// exit waits for the end and checks the status.
func (s *session) exit(want int) []string {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(untilLimit):
		s.t.Fatalf("%s does not end:\n%s", s.name, joined(s.vt.all()))
	}
	if got := s.cmd.ProcessState.ExitCode(); got != want {
		s.t.Errorf("%s: exit status %d, not %d", s.name, got, want)
	}
	if s.vt.hidden || s.vt.noMargin {
		s.t.Errorf("%s leaves the terminal without cursor (%v) or margin (%v)", s.name, s.vt.hidden, s.vt.noMargin)
	}
	return s.vt.all()
}

// resize changes the size of the terminal; the kernel tells the command.
func (s *session) resize(columns, rows int) {
	s.t.Helper()
	s.mu.Lock()
	s.vt.resize(columns, rows)
	s.mu.Unlock()
	err := unix.IoctlSetWinsize(int(s.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(rows), Col: uint16(columns)})
	if err != nil {
		s.t.Fatal(err)
	}
}

// interrupt is Ctrl-C in the terminal, or SIGINT.
func (s *session) interrupt() {
	s.t.Helper()
	var err error
	if s.master != nil {
		_, err = s.master.WriteString("\x03")
	} else {
		err = s.cmd.Process.Signal(os.Interrupt)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}
