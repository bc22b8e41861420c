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
	return waitMainPID(ctx, u.name, pid, u.mainPID)
}

func (u *Unit) mainPID(ctx context.Context) (int, error) {
	var pid uint32
	err := shared.ask(ctx, func(m *Manager) error {
		v, err := m.get(ctx, unitPath(u.name), ifService, "MainPID")
		pid, _ = v.Value().(uint32)
		return err
	})
	return int(pid), err
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
