package nginx

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Stat holds the fields of /proc/PID/stat that are of use here; proc(5) gives
// their numbers.
type Stat struct {
	State      byte   // field 3: 'R', 'S', 'Z', ...
	PID        int    // field 1
	PPID       int    // field 4
	Session    int    // field 6
	Flags      uint64 // field 9: the kernel's PF_* flags
	Start      uint64 // field 22, clock ticks after boot
	StackStart uint64 // field 28, 0 without the right to trace the process
	ArgStart   uint64 // field 48, the same
	ArgEnd     uint64 // field 49, the same
}

// pfForkNoExec is PF_FORKNOEXEC of <linux/sched.h>: forked, and no execve
// since. It tells a worker in its first moments, which still shows its
// master's title, from a successor.
const pfForkNoExec = 0x40

// Executed reports whether the process has run execve since it was forked.
func (s Stat) Executed() bool { return s.Flags&pfForkNoExec == 0 }

// Daemonized reports whether a master left its launcher (`daemon on`) or was
// started by one that did: such a master takes USR2. The first generation was
// forked by ngx_daemon and has not run execve since. A later one was exec'ed,
// but in the session of the first. What systemd or a container runtime starts
// in the foreground leads a session of its own and was exec'ed into it.
func (s Stat) Daemonized() bool { return !s.Executed() || s.Session != s.PID }

// ReadStat reads /proc/PID/stat.
func ReadStat(pid int) (Stat, error) {
	data, err := os.ReadFile(procPath(pid, "stat"))
	if err != nil {
		return Stat{}, err
	}
	s, err := ParseStat(data)
	if err != nil {
		return Stat{}, fmt.Errorf("cannot read %s: %w", procPath(pid, "stat"), err)
	}
	return s, nil
}

// ParseStat reads the one line of /proc/PID/stat. The command name in it may
// hold spaces and parentheses, so fields are counted after the last ')'.
func ParseStat(line []byte) (Stat, error) {
	end := bytes.LastIndexByte(line, ')')
	if end < 0 {
		return Stat{}, errors.New("no command name")
	}
	fields := bytes.Fields(line[end+1:])
	const first, last = 3, 49
	if len(fields) < last-first+1 {
		return Stat{}, fmt.Errorf("only %d fields", len(fields)+first-1)
	}
	if len(fields[0]) != 1 {
		return Stat{}, fmt.Errorf("state %q", fields[0])
	}
	s := Stat{State: fields[0][0]}
	var errs error
	number := func(n int) uint64 {
		v, err := strconv.ParseUint(string(fields[n-first]), 10, 64)
		errs = errors.Join(errs, err)
		return v
	}
	pid, err := strconv.ParseUint(string(bytes.TrimSpace(before(line, '('))), 10, 22)
	errs = errors.Join(errs, err)
	ppid, session := number(4), number(6)
	if ppid > maxPID || session > maxPID {
		return Stat{}, fmt.Errorf("parent pid %d, session %d", ppid, session)
	}
	s.PID, s.PPID, s.Session = int(pid), int(ppid), int(session)
	s.Flags, s.Start = number(9), number(22)
	s.StackStart, s.ArgStart, s.ArgEnd = number(28), number(48), number(49)
	return s, errs
}

// maxPID is PID_MAX_LIMIT of <linux/threads.h>.
const maxPID = 1 << 22

func before(b []byte, c byte) []byte {
	head, _, _ := bytes.Cut(b, []byte{c})
	return head
}

func procPath(pid int, name string) string {
	return "/proc/" + strconv.Itoa(pid) + "/" + name
}

// userHZ is the unit of start times in /proc/PID/stat, per second. It is 100
// on every architecture that Go runs on (sysconf(3), _SC_CLK_TCK).
const userHZ = 100

// Started returns when the process was started, to 10 ms.
func (p *Process) Started() (time.Time, error) {
	var boot unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot); err != nil {
		return time.Time{}, err
	}
	age := time.Duration(boot.Nano()) - time.Duration(p.Start)*(time.Second/userHZ)
	return time.Now().Add(-age).Round(10 * time.Millisecond), nil
}
