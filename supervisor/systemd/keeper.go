package systemd

import (
	"context"
	"errors"
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

// UnitOf returns the name of the unit that a process belongs to, or "" when it
// belongs to none.
func UnitOf(ctx context.Context, pid int) (string, error) {
	m, err := Dial(ctx)
	if err != nil {
		return "", err
	}
	defer m.Close()
	name, err := m.UnitOf(ctx, pid)
	if errors.Is(err, ErrNoUnit) {
		return "", nil
	}
	return name, err
}
