package box

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// bootLimit is for a loaded host; an idle one takes less than 3 s.
	bootLimit = 2 * time.Minute
	// bootPoll is the interval of the looks at what gives no event.
	bootPoll = 20 * time.Millisecond
	// queryLimit bounds one question to systemd: asked too early in its life, it
	// may miss the signal that it waits for.
	queryLimit = 5 * time.Second
)

var (
	errNoLeader = errors.New("it has no PID 1 yet")
	errEnded    = errors.New("it ended")
)

// boot waits until systemd has finished to start the machine.
func (b *Box) boot(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, bootLimit, fmt.Errorf("not within %v", bootLimit))
	defer cancel()
	last := errNoLeader
	tick := time.NewTicker(bootPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", context.Cause(ctx), last)
		case <-b.keeper.done:
			return errEnded
		case <-tick.C:
		}
		if last = b.started(ctx); last == nil {
			return nil
		}
	}
}

// started returns nil when systemd has finished, and what it does otherwise.
func (b *Box) started(ctx context.Context) (err error) {
	if b.leader == nil {
		if b.leader, err = findLeader(b.group); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	out, stderr, _, err := b.Try(ctx, "systemctl is-system-running --wait")
	switch {
	case err != nil:
		return err
	case out == "running", out == "degraded":
		return nil
	}
	return fmt.Errorf("systemd says %s%s", out, stderr)
}

// findLeader returns the PID 1 of the machine in g, held by a pidfd. systemd puts
// itself into init.scope as soon as it starts.
func findLeader(g group) (*os.Process, error) {
	pids, err := group(g.file("payload/init.scope")).processes()
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENODEV) {
		return nil, err
	}
	for _, pid := range pids {
		p, err := os.FindProcess(pid)
		if err != nil {
			return nil, err
		}
		if isInit(pid) {
			return p, nil
		}
		_ = p.Release()
	}
	return nil, errNoLeader
}

// isInit says whether pid is 1 in its own PID namespace: the last column of NSpid
// in proc_pid_status(5).
func isInit(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			return strings.HasSuffix(strings.TrimSpace(ids), "\t1")
		}
	}
	return false
}
