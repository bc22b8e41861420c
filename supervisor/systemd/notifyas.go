package systemd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// notifySocket is where PID 1 listens. A unit's NOTIFY_SOCKET names the same.
const notifySocket = "/run/systemd/notify"

// barrierTimeout is the limit of sd_notify_barrier in systemd-notify.
const barrierTimeout = 5 * time.Second

// NotifyAs sends assignments ("STATUS=...", "MAINPID=...") to PID 1 on behalf of
// another process: the message carries that process's credentials, as
// sd_pid_notify(3) does, and PID 1 takes it for a message of the unit that the
// process belongs to. It returns when PID 1 has dealt with the message, or
// after 5 s with an error that wraps os.ErrDeadlineExceeded.
//
// It needs CAP_SYS_ADMIN (scm_check_creds in the kernel), and NotifyAccess=main
// on the unit when the process is its main process; without that PID 1 drops
// the message, and tells only its log. The error wraps ErrNoProcess when the
// process is dead.
func NotifyAs(pid int, lines ...string) error {
	if err := notifyAs(notifySocket, pid, lines); err != nil {
		return fmt.Errorf("cannot notify systemd on behalf of pid %d: %w", pid, err)
	}
	return nil
}

func notifyAs(socket string, pid int, lines []string) error {
	cred := &unix.Ucred{Pid: int32(pid), Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())}
	err := sendNotify(socket, message(lines), unix.UnixCredentials(cred))
	switch {
	case errors.Is(err, unix.ESRCH):
		return ErrNoProcess
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: it needs CAP_SYS_ADMIN", err)
	case err != nil:
		return err
	}
	return barrier(socket)
}

// barrier waits until PID 1 has read all that was sent before: it sends the
// writing end of a pipe, which PID 1 closes when it comes to that message.
func barrier(socket string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	err = sendNotify(socket, []byte("BARRIER=1"), unix.UnixRights(int(w.Fd())))
	w.Close()
	if err != nil {
		return err
	}
	if err := r.SetReadDeadline(time.Now().Add(barrierTimeout)); err != nil {
		return err
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("systemd did not answer: %w", err)
	}
	return nil
}
