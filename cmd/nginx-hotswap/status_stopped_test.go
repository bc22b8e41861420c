package main

import (
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestDaemonDoesNotAnswer stops a daemon in its tracks: every command that needs
// it says so soon.
func TestDaemonDoesNotAnswer(t *testing.T) {
	g := newStage(t)
	if err := g.daemon.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	g.untilStopped()
	// All wait at the same time, whatever go test -parallel is.
	var all sync.WaitGroup
	for _, command := range []string{"status", "status --json", "status --follow", "upgrade", "rollback", "confirm", "hold", "unhold", "reload"} {
		all.Go(func() {
			began := time.Now()
			out, err := g.command(strings.Fields(command)...).CombinedOutput()
			took := time.Since(began)
			ended, ok := errors.AsType[*exec.ExitError](err)
			if !ok || ended.ExitCode() != 1 || !noAnswer.Match(out) {
				t.Errorf("%s: %v:\n%s", command, err, out)
			}
			if took > 30*time.Second { // 2 s, and a busy machine's start of a program
				t.Errorf("%s: it took %v", command, took)
			}
		})
	}
	all.Wait()
}

var noAnswer = regexp.MustCompile(`^nginx-hotswap: the daemon does not answer\b.*\n$`)

// untilStopped waits until the kernel has stopped the daemon.
func (g *stage) untilStopped() {
	g.t.Helper()
	var status unix.WaitStatus
	if _, err := unix.Wait4(g.daemon.Process.Pid, &status, unix.WUNTRACED, nil); err != nil || !status.Stopped() {
		g.t.Fatalf("the daemon was not stopped: %v, %v", status, err)
	}
}
