package supervisor

import (
	"context"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// Unit is systemd's view of the unit that a master belongs to. It is an
// interface because a test of the procedure can have a real nginx anywhere,
// but a real systemd only in a machine of its own. *systemd.Unit implements it.
type Unit interface {
	Name() string
	State(ctx context.Context) (systemd.State, error)
	// Run runs a command in the unit's sandbox.
	Run(ctx context.Context, c systemd.Command) (systemd.Result, error)
	// WaitMainPID returns when systemd takes the process for the main one.
	WaitMainPID(ctx context.Context, pid int) error
	// Notify sends sd_notify lines on behalf of a process of the unit.
	Notify(pid int, lines ...string) error
	// Reload is the manager's daemon-reload.
	Reload(ctx context.Context) error
	// ReloadUnit queues a reload of the unit (systemctl reload).
	ReloadUnit(ctx context.Context) error
}

// Systemd finds units. It is nil where systemd does not run.
type Systemd interface {
	// Unit names a unit; it need not exist.
	Unit(name string) Unit
	// UnitOf returns the name of the unit that a process belongs to, or "".
	UnitOf(ctx context.Context, pid int) (string, error)
	// Run runs a command in no unit's sandbox.
	Run(ctx context.Context, c systemd.Command) (systemd.Result, error)
}
