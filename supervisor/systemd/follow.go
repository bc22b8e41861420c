package systemd

import (
	"context"
	"fmt"
	"time"
)

// WaitMainPID waits until PID 1 takes the process for the unit's main process.
// It polls, because systemd sends no signal when it re-reads a PID file at the
// exit of the old main process (service_sigchld_event returns early): each
// millisecond for 100 ms, then every 5 ms, until the context ends. The error
// then says which MainPID was read last and wraps the context's cause.
func (u *Unit) WaitMainPID(ctx context.Context, pid int) error {
	r := mainPIDReader{name: u.name}
	defer r.close()
	return waitMainPID(ctx, u.name, pid, r.read)
}

func waitMainPID(ctx context.Context, unit string, pid int, read func(context.Context) (int, error)) error {
	start := time.Now()
	last, lastErr := 0, error(nil)
	for {
		got, err := read(ctx)
		if err == nil && got == pid {
			return nil
		}
		// A read that the end of the context cut short says nothing.
		if ctx.Err() == nil {
			last, lastErr = got, err
		}
		pause := 5 * time.Millisecond
		if time.Since(start) < 100*time.Millisecond {
			pause = time.Millisecond
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			if lastErr != nil {
				return fmt.Errorf("cannot read the MainPID of %s (want %d): %w (%w)", unit, pid, context.Cause(ctx), lastErr)
			}
			return fmt.Errorf("systemd does not follow: MainPID of %s is %d, not %d: %w", unit, last, pid, context.Cause(ctx))
		}
	}
}

// mainPIDReader keeps one connection for the many reads of one wait and makes a
// new one when it breaks. One goroutine uses it.
type mainPIDReader struct {
	name string
	m    *Manager
}

func (r *mainPIDReader) read(ctx context.Context) (int, error) {
	if r.m == nil {
		m, err := Dial(ctx)
		if err != nil {
			return 0, err
		}
		r.m = m
	}
	v, err := r.m.get(ctx, unitPath(r.name), ifService, "MainPID")
	if err != nil {
		r.close()
		return 0, err
	}
	n, _ := v.Value().(uint32)
	return int(n), nil
}

func (r *mainPIDReader) close() {
	if r.m != nil {
		r.m.Close()
		r.m = nil
	}
}
