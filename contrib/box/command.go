package box

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// environment is all that a command in a machine knows of its caller.
var environment = []string{hostPath, "LANG=C.UTF-8", "HOME=/root", "TERM=dumb"}

// What `nginx-hotswap` says about a daemon that takes longer than the command waits,
// and how long that may go on in a machine.
const (
	noAnswer    = "the daemon does not answer"
	answerLimit = time.Minute
	askInterval = 50 * time.Millisecond
)

// Command returns a command that will run in the machine as root, in /, with a
// clean environment. When ctx ends, it and everything that it has started is
// killed; a daemon that it has left behind before lives on. It starts in no unit's
// control group, as a process of nobody in particular.
func (b *Box) Command(ctx context.Context, name string, arg ...string) *exec.Cmd {
	args := []string{"-t", strconv.Itoa(b.Leader()), "-m", "-p", "-u", "-i", "-n", "-C", "-r", "-w", "--", name}
	cmd := exec.CommandContext(ctx, "nsenter", append(args, arg...)...)
	cmd.Env = environment
	if b.leader == nil || b.leader.Signal(syscall.Signal(0)) != nil {
		cmd.Err = fmt.Errorf("box %s is not up", b.name)
		return cmd
	}
	g, err := b.group.sub("payload/command-" + rand.Text())
	if err != nil {
		cmd.Err = err
		return cmd
	}
	dir, err := os.Open(string(g))
	if err != nil {
		cmd.Err = err
		return cmd
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	cmd.Cancel = func() error {
		defer runtime.KeepAlive(dir)
		return b.cancel(g, cmd.Process.Pid)
	}
	// There is no better moment: nobody says when a command is over. It stays when
	// a daemon lives in it, until Down.
	runtime.AddCleanup(cmd, func(g group) { _ = os.Remove(string(g)) }, g)
	return cmd
}

// cancel kills the command in g that nsenter has started. nsenter itself moves out
// and ends by what it sees of its child: it is the only one to reap it. Without it
// the zombie would go to the host's PID 1, and until that reaps it, the machine's
// PID namespace could not end.
func (b *Box) cancel(g group, nsenter int) error {
	pids, err := g.processes()
	if err != nil {
		return err
	}
	if len(pids) > 1 {
		if err := group(b.group.file("keeper")).write("cgroup.procs", strconv.Itoa(nsenter)); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return g.kill()
}

// Try runs a shell script with -eu in the machine. The outputs are trimmed. exit is
// the status as a shell gives it, 128 and the number for a signal; err is for what
// kept the script from running to its end, such as ctx.
func (b *Box) Try(ctx context.Context, script string) (stdout, stderr string, exit int, err error) {
	cmd := b.Command(ctx, "sh", "-euc", script)
	out, errOut, err := outputs()
	if err != nil {
		return "", "", 0, err
	}
	defer out.Close()
	defer errOut.Close()
	cmd.Stdout, cmd.Stderr = out, errOut
	err = cmd.Run()
	if cmd.ProcessState != nil {
		exit = shellStatus(cmd.ProcessState)
	}
	stdout, outErr := written(out)
	stderr, errErr := written(errOut)
	if ctx.Err() != nil {
		return stdout, stderr, exit, fmt.Errorf("cannot finish in box %s: %w", b.name, context.Cause(ctx))
	}
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		err = nil
	}
	return stdout, stderr, exit, errors.Join(err, outErr, errErr)
}

// outputs returns unnamed files for what a command writes. All of it is in them when
// the command ends, and unlike pipes a daemon that it leaves behind may keep them.
func outputs() (out, errOut *os.File, err error) {
	var files [2]*os.File
	for i, name := range []string{"stdout", "stderr"} {
		fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot make a file for %s: %w", name, err)
		}
		files[i] = os.NewFile(uintptr(fd), name)
	}
	return files[0], files[1], nil
}

// written reads an output, which is trimmed. It does not move the offset at which a
// daemon goes on to write.
func written(f *os.File) (string, error) {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, math.MaxInt64))
	return strings.TrimSpace(string(text)), err
}

// Ask is [Box.Try] for a script that asks nginx-hotswap for one thing. As long as the
// daemon does not answer in time, which is no wonder on a busy host, it is asked again.
func (b *Box) Ask(ctx context.Context, script string) (stdout, stderr string, exit int, err error) {
	for end := time.Now().Add(answerLimit); ; time.Sleep(askInterval) {
		stdout, stderr, exit, err = b.Try(ctx, script)
		if err != nil || !strings.Contains(stderr, noAnswer) || time.Now().After(end) {
			return stdout, stderr, exit, err
		}
	}
}

// Status is what `nginx-hotswap status --json` prints in the machine.
func (b *Box) Status(ctx context.Context) (string, error) {
	stdout, stderr, exit, err := b.Ask(ctx, "nginx-hotswap status --json")
	if err == nil && exit != 0 {
		err = fmt.Errorf("nginx-hotswap status in box %s: exit status %d: %s", b.name, exit, stderr)
	}
	return stdout, err
}

func shellStatus(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return s.ExitCode()
}

// Run is [Box.Try] for a test: it returns the standard output of a script that must
// succeed, and otherwise ends the test with all there is to know. A script that is
// one command of ours is run by [Box.Ask].
func (b *Box) Run(tb testing.TB, script string) string {
	tb.Helper()
	ctx := tb.Context()
	if ctx.Err() != nil {
		// Called by a cleanup, where the context of the test has ended.
		ctx = context.WithoutCancel(ctx)
	}
	run := b.Try
	if strings.HasPrefix(script, "nginx-hotswap ") && !strings.ContainsAny(script, ";&|") {
		run = b.Ask
	}
	stdout, stderr, exit, err := run(ctx, script)
	if err != nil || exit != 0 {
		tb.Fatalf("in box %s: %s\nexit status %d, error %v\nstdout: %s\nstderr: %s", b.name, script, exit, err, stdout, stderr)
	}
	return stdout
}
