package nginx

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrGone says that a process does not exist any more, or that its pid belongs
// to another process by now.
var ErrGone = errors.New("process is gone")

// ID identifies a process for as long as the machine is up: pids are used
// again, a pid with its start time is not.
type ID struct {
	PID int `json:"pid"`
	// Start is the time the process started after boot, in clock ticks
	// (field 22 of /proc/PID/stat).
	Start uint64 `json:"start"`
}

func (id ID) String() string { return fmt.Sprint(id.PID) }

// Process is a process held by its pidfd. Close releases it.
type Process struct {
	ID
	handle *os.File
	conn   syscall.RawConn
	once   sync.Once
	exited chan struct{}
}

// Open takes hold of the process that has the pid now. It returns ErrGone when
// there is none, or only a zombie.
func Open(pid int) (*Process, error) {
	// The pidfd comes first: what is read from /proc afterwards is only
	// believed if the process is still there at the end.
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	switch {
	case err == nil:
	case errors.Is(err, unix.ESRCH), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
		// The last two are for a thread that has the number, since Linux
		// 6.16 and before.
		return nil, fmt.Errorf("pid %d: %w", pid, ErrGone)
	default:
		return nil, fmt.Errorf("cannot open a pidfd of pid %d (Linux 5.10 or later is needed): %w", pid, err)
	}
	handle := os.NewFile(uintptr(fd), fmt.Sprintf("pidfd:%d", pid))
	conn, err := handle.SyscallConn()
	if err != nil {
		handle.Close()
		return nil, fmt.Errorf("cannot watch pid %d: %w", pid, err)
	}
	p := &Process{handle: handle, conn: conn, exited: make(chan struct{})}
	stat, err := ReadStat(pid)
	if !p.Alive() {
		err = ErrGone
	}
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("pid %d: %w", pid, err)
	}
	p.ID = ID{PID: pid, Start: stat.Start}
	return p, nil
}

// OpenID takes hold of exactly that process, or returns ErrGone.
func OpenID(id ID) (*Process, error) {
	p, err := Open(id.PID)
	if err != nil {
		return nil, err
	}
	if p.ID != id {
		p.Close()
		return nil, fmt.Errorf("pid %d belongs to another process now: %w", id.PID, ErrGone)
	}
	return p, nil
}

// Alive reports whether the process runs. A zombie does not: kill(pid, 0)
// still succeeds for it, poll(2) on the pidfd tells the truth.
func (p *Process) Alive() bool {
	alive := true
	err := p.control(func(fd int) { alive = !readable(fd) })
	return err == nil && alive
}

func readable(fd int) bool {
	set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(set, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return err == nil && n == 1
	}
}

// Exited returns a channel that is closed when the process has exited.
func (p *Process) Exited() <-chan struct{} {
	p.once.Do(func() {
		go func() {
			// Read waits in the runtime's poller; it fails only when the
			// handle is closed, and then nobody listens any more.
			if p.conn.Read(func(fd uintptr) bool { return readable(int(fd)) }) == nil {
				close(p.exited)
			}
		}()
	})
	return p.exited
}

// Signal sends a signal to this process and to no other. It returns ErrGone
// when the process has exited.
func (p *Process) Signal(sig unix.Signal) error {
	if !p.Alive() {
		return fmt.Errorf("cannot send %s to pid %d: %w", unix.SignalName(sig), p.PID, ErrGone)
	}
	var sent error
	if err := p.control(func(fd int) { sent = unix.PidfdSendSignal(fd, sig, nil, 0) }); err != nil {
		return err
	}
	if errors.Is(sent, unix.ESRCH) {
		sent = ErrGone
	}
	if sent != nil {
		return fmt.Errorf("cannot send %s to pid %d: %w", unix.SignalName(sig), p.PID, sent)
	}
	return nil
}

// control runs f with the descriptor, which stays open meanwhile.
func (p *Process) control(f func(fd int)) error {
	return p.conn.Control(func(fd uintptr) { f(int(fd)) })
}

// Close releases the pidfd. The process is not touched.
func (p *Process) Close() error { return p.handle.Close() }
