package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	busName    = "org.freedesktop.systemd1"
	busRoot    = dbus.ObjectPath("/org/freedesktop/systemd1")
	ifManager  = "org.freedesktop.systemd1.Manager"
	ifUnit     = "org.freedesktop.systemd1.Unit"
	ifService  = "org.freedesktop.systemd1.Service"
	ifJob      = "org.freedesktop.systemd1.Job"
	ifProps    = "org.freedesktop.DBus.Properties"
	errNoUnit  = "org.freedesktop.systemd1.NoUnitForPID"
	errNoProc  = "org.freedesktop.systemd1.NoSuchProcess"
	errMissing = "org.freedesktop.systemd1.NoSuchUnit"

	// callTimeout is sd-bus's own default for a method call.
	callTimeout = 25 * time.Second
	// reloadTimeout is longer: the reply comes after all generators have run.
	reloadTimeout = 3 * time.Minute
)

var (
	// ErrNoUnit says that a process belongs to no unit that PID 1 knows.
	ErrNoUnit = errors.New("process belongs to no unit")
	// ErrNoProcess says that there is no process with the given pid.
	ErrNoProcess = errors.New("no such process")
)

// Booted reports whether PID 1 is systemd, by the rule of sd_booted(3): the
// directory /run/systemd/system exists and is no symlink.
func Booted() bool {
	fi, err := os.Lstat("/run/systemd/system")
	return err == nil && fi.IsDir()
}

// Manager is a connection of our own to PID 1. Its methods may be called from
// several goroutines. A call without a nearer deadline in its context ends
// after 25 s, a Reload after 3 min.
type Manager struct {
	conn *dbus.Conn
	bus  bool // a bus is in between, which sends only the signals that were ordered
}

// Dial reaches PID 1: as root over /run/systemd/private, which works without a
// D-Bus daemon, else over the system bus. The context bounds the dialling, not
// the life of the connection; Close ends that.
func Dial(ctx context.Context) (*Manager, error) {
	if os.Geteuid() != 0 {
		return dialBus(ctx)
	}
	m, err := dialPrivate(ctx)
	if err == nil {
		return m, nil
	}
	b, busErr := dialBus(ctx)
	if busErr != nil {
		return nil, errors.Join(err, busErr)
	}
	return b, nil
}

// Close ends the connection.
func (m *Manager) Close() error {
	return m.conn.Close()
}

// Units gives the names of the loaded units, active or not, that match one of
// the glob patterns (systemctl list-units --all), sorted.
func (m *Manager) Units(ctx context.Context, patterns []string) ([]string, error) {
	// a(ssssssouso): name, description, load, active and sub state, followed, path, job
	var list []struct {
		Name, Description, Load, Active, Sub, Follows string
		Path                                          dbus.ObjectPath
		Job                                           uint32
		JobType                                       string
		JobPath                                       dbus.ObjectPath
	}
	err := m.call(ctx, "ListUnitsByPatterns", []string{}, patterns).Store(&list)
	if err != nil {
		return nil, fmt.Errorf("cannot list units: %w", err)
	}
	var names []string
	for _, u := range list {
		if u.Load == "loaded" {
			names = append(names, u.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// UnitOf gives the name of the unit whose control group holds the process. The
// error is ErrNoUnit or ErrNoProcess where one of these is the reason.
func (m *Manager) UnitOf(ctx context.Context, pid int) (string, error) {
	var path dbus.ObjectPath
	err := m.call(ctx, "GetUnitByPID", uint32(pid)).Store(&path)
	switch errorName(err) {
	case "":
	case errNoUnit:
		return "", fmt.Errorf("pid %d: %w", pid, ErrNoUnit)
	case errNoProc:
		return "", fmt.Errorf("pid %d: %w", pid, ErrNoProcess)
	default:
		return "", fmt.Errorf("cannot find the unit of pid %d: %w", pid, err)
	}
	v, err := m.get(ctx, path, ifUnit, "Id")
	if err != nil {
		return "", fmt.Errorf("cannot find the unit of pid %d: %w", pid, err)
	}
	name, _ := v.Value().(string)
	return name, nil
}

// Reload makes PID 1 read its units again (systemctl daemon-reload) and returns
// when it has. It also makes systemd look again whether a main process is its
// child, which undoes the "alien" mark that an early MAINPID= leaves.
func (m *Manager) Reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	err := m.conn.Object(busName, busRoot).CallWithContext(ctx, ifManager+".Reload", 0).Err
	if err != nil {
		return fmt.Errorf("cannot reload systemd: %w", err)
	}
	return nil
}

// Start queues the start of a unit, in the place of a job that it may have.
func (m *Manager) Start(ctx context.Context, unit string) error {
	if err := m.call(ctx, "StartUnit", unit, "replace").Err; err != nil {
		return fmt.Errorf("cannot start %s: %w", unit, err)
	}
	return nil
}

// ResetFailed takes a unit out of the state failed. One that is not loaded is
// not in it.
func (m *Manager) ResetFailed(ctx context.Context, unit string) error {
	err := m.call(ctx, "ResetFailedUnit", unit).Err
	if err != nil && errorName(err) != errMissing {
		return fmt.Errorf("cannot reset %s: %w", unit, err)
	}
	return nil
}

// call calls a method of the manager object and waits for the reply.
func (m *Manager) call(ctx context.Context, method string, args ...any) *dbus.Call {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return m.conn.Object(busName, busRoot).CallWithContext(ctx, ifManager+"."+method, 0, args...)
}

// get reads one property.
func (m *Manager) get(ctx context.Context, path dbus.ObjectPath, iface, name string) (dbus.Variant, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var v dbus.Variant
	err := m.conn.Object(busName, path).CallWithContext(ctx, ifProps+".Get", 0, iface, name).Store(&v)
	return v, err
}

// getAll reads the properties of all interfaces of an object in one call, which
// makes them a consistent picture. The reply is taken as it was decoded: Store
// would make the variants anew and lose the signatures of structs.
func (m *Manager) getAll(ctx context.Context, path dbus.ObjectPath) (properties, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	reply := m.conn.Object(busName, path).CallWithContext(ctx, ifProps+".GetAll", 0, "")
	if reply.Err != nil {
		return nil, reply.Err
	}
	var p map[string]dbus.Variant
	if len(reply.Body) == 1 {
		p, _ = reply.Body[0].(map[string]dbus.Variant)
	}
	if p == nil {
		return nil, fmt.Errorf("unexpected reply to GetAll of %s", path)
	}
	return p, nil
}

// errorName is the D-Bus name of an error, its text if it has none, "" for nil.
func errorName(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[dbus.Error](err); ok {
		return e.Name
	}
	return err.Error()
}
