package systemd

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

const (
	// sendTimeout bounds a message to a PID 1 that does not read.
	sendTimeout = 5 * time.Second
	// statusLimit keeps a STATUS= well below the 4096 bytes of a whole message.
	statusLimit = 1024
)

// Notifier speaks for our own service, over sd_notify(3). Its methods do
// nothing, and give no error, on a nil Notifier and when systemd did not ask for
// messages (NOTIFY_SOCKET is unset).
type Notifier struct {
	socket   string
	watchdog time.Duration
}

// NewNotifier reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, once, and
// removes them from the environment, so that no program we start inherits the
// right to speak for us.
func NewNotifier() *Notifier {
	n := &Notifier{socket: os.Getenv("NOTIFY_SOCKET"), watchdog: watchdogInterval()}
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		os.Unsetenv(name)
	}
	return n
}

// watchdogInterval follows sd_watchdog_enabled(3).
func watchdogInterval() time.Duration {
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 || usec > int64(1<<63-1)/1000 {
		return 0
	}
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	return time.Duration(usec) * time.Microsecond
}

// WatchdogInterval is the time within which systemd wants a Watchdog message,
// zero when it wants none. Send one at half the interval.
func (n *Notifier) WatchdogInterval() time.Duration {
	if n == nil {
		return 0
	}
	return n.watchdog
}

// Ready says that we are up, and sets the status line of systemctl status. Of a
// reload there is nothing to say: with Type=notify it lasts as long as ExecReload=.
func (n *Notifier) Ready(status string) error {
	return n.send("READY=1", "STATUS="+status)
}

// Status sets the status line of systemctl status.
func (n *Notifier) Status(text string) error {
	return n.send("STATUS=" + text)
}

// Watchdog says that we make progress.
func (n *Notifier) Watchdog() error {
	return n.send("WATCHDOG=1")
}

// Stopping says that we are about to end, and why or what is being finished.
// From systemd 259 on it cannot be taken back.
func (n *Notifier) Stopping(text string) error {
	return n.send("STOPPING=1", "STATUS="+text)
}

func (n *Notifier) send(lines ...string) error {
	if n == nil || n.socket == "" {
		return nil
	}
	if err := sendNotify(n.socket, message(lines), nil); err != nil {
		return fmt.Errorf("cannot notify systemd: %w", err)
	}
	return nil
}

// message joins assignments to a notify message. systemd reads it line by line
// and rejects a STATUS that is not UTF-8, so control characters become spaces.
func message(lines []string) []byte {
	clean := make([]string, len(lines))
	for i, l := range lines {
		clean[i] = oneLine(l)
	}
	return []byte(strings.Join(clean, "\n"))
}

// oneLine makes a text fit for one line of at most statusLimit bytes.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > statusLimit {
		s = strings.ToValidUTF8(s[:statusLimit-len("…")], "") + "…"
	}
	return s
}

// sendNotify sends one datagram with ancillary data.
func sendNotify(socket string, payload, oob []byte) error {
	if !strings.HasPrefix(socket, "/") && !strings.HasPrefix(socket, "@") {
		return fmt.Errorf("notify socket %q: %w", socket, errors.ErrUnsupported)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	tv := unix.NsecToTimeval(sendTimeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	// x/sys writes an @ in front as the NUL of an abstract address.
	to := &unix.SockaddrUnix{Name: socket}
	for {
		err := unix.Sendmsg(fd, payload, oob, to, unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return os.NewSyscallError("sendmsg", err)
		}
	}
}
