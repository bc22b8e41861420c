package box

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// environment is all that a command in a machine knows of its caller.
var environment = []string{hostPath, "LANG=C.UTF-8", "HOME=/root", "TERM=dumb"}

// outputLimit is how long after its end a command's output is read: a daemon that
// it has left behind may hold the pipe for ever.
const outputLimit = time.Second

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
	var out, errOut bytes.Buffer
	cmd := b.Command(ctx, "sh", "-euc", script)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	cmd.WaitDelay = outputLimit
	err = cmd.Run()
	if cmd.ProcessState != nil {
		exit = shellStatus(cmd.ProcessState)
	}
	stdout, stderr = strings.TrimSpace(out.String()), strings.TrimSpace(errOut.String())
	if ctx.Err() != nil {
		return stdout, stderr, exit, fmt.Errorf("cannot finish in box %s: %w", b.name, context.Cause(ctx))
	}
	if _, ok := errors.AsType[*exec.ExitError](err); ok || errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	return stdout, stderr, exit, err
}

func shellStatus(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return s.ExitCode()
}

// Run is [Box.Try] for a test: it returns the standard output of a script that must
// succeed, and otherwise ends the test with all there is to know.
func (b *Box) Run(tb testing.TB, script string) string {
	tb.Helper()
	ctx := tb.Context()
	if ctx.Err() != nil {
		// Called by a cleanup, where the context of the test has ended.
		ctx = context.WithoutCancel(ctx)
	}
	stdout, stderr, exit, err := b.Try(ctx, script)
	if err != nil || exit != 0 {
		tb.Fatalf("in box %s: %s\nexit status %d, error %v\nstdout: %s\nstderr: %s", b.name, script, exit, err, stdout, stderr)
	}
	return stdout
}
