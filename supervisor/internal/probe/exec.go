package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// execPath is the PATH of a program, and all of its environment.
const execPath = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"

// execute runs the program until it ends or ctx does. Then it is killed with
// all that it has started, as far as that stayed in its process group.
func (t Target) execute(ctx context.Context) Answer {
	var out output
	cmd := exec.CommandContext(ctx, t.Exec[0], t.Exec[1:]...)
	cmd.Env = []string{execPath}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 100 * time.Millisecond // for a descendant that keeps the output open
	if err := t.In.Do(cmd.Start); err != nil {
		return unasked(err)
	}
	err := cmd.Wait()
	exit, failed := errors.AsType[*exec.ExitError](err)
	switch {
	case ctx.Err() != nil && err != nil:
		return Answer{Outcome: Timeout}
	case failed && !exit.Exited():
		return Answer{Outcome: Killed, Text: exit.String() + out.quoted()}
	case failed:
		return Answer{Outcome: exited(exit.ExitCode()), Text: exit.String() + out.quoted()}
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return unasked(err)
	}
	return Answer{Outcome: exited(0), Text: "exit status 0"}
}

// output keeps the beginning of a program's output.
type output struct{ bytes.Buffer }

func (o *output) Write(p []byte) (int, error) {
	const most = 1 << 10
	o.Buffer.Write(p[:min(len(p), most-o.Len())])
	return len(p), nil
}

// quoted is the first line, for a message.
func (o *output) quoted() string {
	line, _, _ := strings.Cut(strings.TrimSpace(o.Buffer.String()), "\n")
	if line == "" {
		return ""
	}
	return fmt.Sprintf(" (%.80q)", line)
}
