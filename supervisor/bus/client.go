package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// ErrNoDaemon says that no daemon listens on the private socket.
var ErrNoDaemon = errors.New("the daemon is not running")

// Client speaks to a running daemon. Close ends it.
type Client struct{ conn *dbus.Conn }

// Dial connects to the daemon of a runtime directory. It returns ErrNoDaemon
// when there is none, and does not wait longer than a handshake may take.
func Dial(ctx context.Context, runtime string) (*Client, error) {
	path := filepath.Join(runtime, Socket)
	var d net.Dialer
	raw, err := d.DialContext(ctx, "unix", path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
		return nil, ErrNoDaemon
	}
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("only root may speak to the daemon: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot reach the daemon: %w", err)
	}
	if err := raw.SetDeadline(time.Now().Add(handshakeLimit)); err != nil {
		raw.Close()
		return nil, err
	}
	conn, err := dbus.NewConn(raw)
	if err != nil {
		raw.Close()
		return nil, err
	}
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Geteuid()))}); err != nil {
		conn.Close()
		return nil, fmt.Errorf("cannot reach the daemon: %w", err)
	}
	return &Client{conn}, raw.SetDeadline(time.Time{})
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Instances lists the instances that the daemon looks after.
func (c *Client) Instances(ctx context.Context) ([]Listed, error) {
	var list []Listed
	err := c.conn.Object(Name, ManagerPath).CallWithContext(ctx, ManagerInterface+".ListInstances", 0).Store(&list)
	if err != nil {
		return nil, fmt.Errorf("the daemon does not list its instances: %w", err)
	}
	return list, nil
}

// Reload makes the daemon read its configuration.
func (c *Client) Reload(ctx context.Context) error {
	err := c.conn.Object(Name, ManagerPath).CallWithContext(ctx, ManagerInterface+".Reload", 0).Err
	if err != nil {
		return fmt.Errorf("the daemon keeps its configuration: %w", err)
	}
	return nil
}

// Do asks an instance for something and waits as long as the request says.
func (c *Client) Do(ctx context.Context, instance string, r supervisor.Request) (supervisor.Outcome, error) {
	options := map[string]dbus.Variant{"origin": dbus.MakeVariant(string(r.Origin)), "wait": dbus.MakeVariant(string(r.Wait))}
	method, args := "Upgrade", []any{options}
	switch r.Action {
	case supervisor.ActionRollback:
		method = "Rollback"
		options["to"] = dbus.MakeVariant(r.To)
	case supervisor.ActionConfirm:
		method, args = "Confirm", nil
	case supervisor.ActionHold:
		method, args = "Hold", nil
	case supervisor.ActionUnhold:
		method, args = "Unhold", nil
	default:
		options["dry-run"] = dbus.MakeVariant(r.DryRun)
		options["force"] = dbus.MakeVariant(r.Force)
		options["if-running"] = dbus.MakeVariant(r.IfRunning)
	}
	var out supervisor.Outcome
	var code int32
	var result string
	err := c.conn.Object(Name, InstancePath(instance)).CallWithContext(ctx, InstanceInterface+"."+method, 0, args...).
		Store(&code, &out.Text, &out.Cycle, &result)
	if err != nil {
		return out, fmt.Errorf("the daemon did not answer: %w", err)
	}
	out.Code, out.Result = int(code), supervisor.Result(result)
	return out, nil
}

// Status asks for the state of an instance.
func (c *Client) Status(ctx context.Context, instance string) (supervisor.Status, error) {
	var all map[string]dbus.Variant
	err := c.conn.Object(Name, InstancePath(instance)).CallWithContext(ctx, "org.freedesktop.DBus.Properties.GetAll", 0, InstanceInterface).Store(&all)
	if err != nil {
		return supervisor.Status{}, fmt.Errorf("the daemon does not tell the state of %s: %w", instance, err)
	}
	return statusOf(all)
}

func statusOf(all map[string]dbus.Variant) (supervisor.Status, error) {
	var s supervisor.Status
	var phase string
	var main uint32
	var running RunningProperty
	var disk DiskProperty
	var masters []MasterProperty
	var last LastProperty
	for name, to := range map[string]any{
		"Name": &s.Name, "Unit": &s.Unit, "MainPID": &main, "Phase": &phase, "Running": &running, "Disk": &disk,
		"Pending": &s.Pending, "Held": &s.Held, "Reason": &s.Reason, "Alert": &s.Alert, "Masters": &masters, "Last": &last,
	} {
		v, ok := all[name]
		if !ok {
			return s, fmt.Errorf("the daemon speaks another version: it has no property %s", name)
		}
		if err := v.Store(to); err != nil {
			return s, fmt.Errorf("the daemon speaks another version: property %s: %w", name, err)
		}
	}
	s.MainPID, s.Phase = int(main), supervisor.Phase(phase)
	s.Running = supervisor.RunningStatus{BuildStatus: supervisor.BuildStatus{Version: running.Version, SHA256: running.SHA256},
		Path: running.Path, Since: timeOf(running.Since)}
	s.Disk = supervisor.BuildStatus(disk)
	s.Masters = mastersOf(masters)
	if last.ID != "" {
		s.Last = &supervisor.LastStatus{ID: last.ID, Result: supervisor.Result(last.Result), Reason: last.Reason, Finished: timeOf(last.Finished)}
	}
	return s, nil
}

func mastersOf(masters []MasterProperty) []supervisor.MasterStatus {
	list := make([]supervisor.MasterStatus, len(masters))
	for i, m := range masters {
		list[i] = supervisor.MasterStatus{PID: int(m.PID), Role: m.Role, Version: m.Version, Workers: make([]supervisor.WorkerStatus, len(m.Workers))}
		for j, w := range m.Workers {
			list[i].Workers[j] = supervisor.WorkerStatus{PID: int(w.PID), Draining: w.Draining, Connections: int(w.Connections)}
		}
	}
	return list
}

func timeOf(microseconds uint64) *time.Time {
	if microseconds == 0 {
		return nil
	}
	t := time.UnixMicro(int64(microseconds))
	return &t
}
