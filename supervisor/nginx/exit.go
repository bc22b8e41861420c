package nginx

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

// Exit says how a process ended.
type Exit struct {
	Known  bool        // whether the kernel told
	Signal unix.Signal // 0 when it ended by itself
	Code   int         // exit status when it ended by itself
}

// String is made for sentences such as "worker 12 " + exit.
func (e Exit) String() string {
	switch {
	case !e.Known:
		return "exited"
	case e.Signal != 0:
		name := unix.SignalName(e.Signal)
		if name == "" { // a real-time signal
			name = fmt.Sprintf("signal %d", int(e.Signal))
		}
		return "died by " + name
	default:
		return fmt.Sprintf("exited with code %d", e.Code)
	}
}

// Crashed reports whether a process ended like this in no good order: by signal, or
// with the code of a worker that could not initialise (2, the "fatal code" of
// ngx_process_get_status).
func (e Exit) Crashed() bool { return e.Known && (e.Signal != 0 || e.Code == 2) }

// Exit tells how the process ended. The kernel keeps that with the pidfd once
// the parent has reaped the process (PIDFD_GET_INFO, Linux 6.15); before that,
// and on older kernels, Known is false.
func (p *Process) Exit() Exit {
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	var failed error
	err := p.control(func(fd int) { failed = unix.IoctlPidfdInfo(fd, &info) })
	if err != nil || failed != nil || info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return Exit{}
	}
	status := unix.WaitStatus(info.Exit_code)
	if status.Signaled() {
		return Exit{Known: true, Signal: status.Signal()}
	}
	return Exit{Known: true, Code: status.ExitStatus()}
}

// Reaped reports whether the parent has asked how the process ended. Then Exit
// tells, or never will.
func (p *Process) Reaped() bool {
	stat, err := ReadStat(p.PID)
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || err == nil && stat.Start != p.Start
}

// ExitWithin asks again for a while if the kernel does not tell at once.
func (p *Process) ExitWithin(limit time.Duration) Exit {
	for end := time.Now().Add(limit); ; {
		reaped := p.Reaped()
		exit := p.Exit()
		if exit.Known || reaped || time.Now().After(end) {
			return exit
		}
		time.Sleep(time.Millisecond) // there is no event for the reaping
	}
}
