package systemd

import (
	"context"
	"errors"
	"fmt"
)

// Notify sends sd_notify lines on behalf of a process of the unit, see NotifyAs.
func (u *Unit) Notify(pid int, lines ...string) error { return NotifyAs(pid, lines...) }

// Reload is the manager's daemon-reload. It makes systemd look anew whose child
// the main process is (service_set_main_pid keeps that otherwise).
func (u *Unit) Reload(ctx context.Context) error {
	m, err := Dial(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	return m.Reload(ctx)
}

// ReloadUnit queues a reload of the unit and returns when the job is there. At
// its end systemd reads the unit's PIDFile= (service_sigchld_event).
func (u *Unit) ReloadUnit(ctx context.Context) error {
	m, err := Dial(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := m.call(ctx, "ReloadUnit", u.name, "fail").Err; err != nil {
		return fmt.Errorf("cannot reload %s: %w", u.name, err)
	}
	return nil
}

// UnitOf returns the name of the unit that a process belongs to, or "" when it
// belongs to none.
func UnitOf(ctx context.Context, pid int) (string, error) {
	var name string
	err := shared.ask(ctx, func(m *Manager) (err error) {
		name, err = m.UnitOf(ctx, pid)
		return err
	})
	if errors.Is(err, ErrNoUnit) {
		return "", nil
	}
	return name, err
}
