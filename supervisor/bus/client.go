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

// ErrNoAnswer says that a daemon is there but does not answer, as one that is
// stopped or hangs.
var ErrNoAnswer = errors.New("the daemon does not answer; see `systemctl status nginx-hotswap`")

// answerLimit is for what a daemon answers at once, where a person waits. What it is
// asked to do takes as long as it takes. Tests change it.
var answerLimit = 2 * time.Second

// patience is the key of another limit in a context.
type patience struct{}

// Patient lets calls under the context wait so long for a daemon that does not
// answer, instead of two seconds: for those that have no second try.
func Patient(ctx context.Context, limit time.Duration) context.Context {
	return context.WithValue(ctx, patience{}, limit)
}

// withLimit bounds a call that is answered at once.
func withLimit(ctx context.Context) (context.Context, context.CancelFunc) {
	limit, ok := ctx.Value(patience{}).(time.Duration)
	if !ok {
		limit = answerLimit
	}
	return context.WithTimeoutCause(ctx, limit, ErrNoAnswer)
}

// Dial connects to the daemon of a runtime directory. It returns ErrNoDaemon
// when there is none, and ErrNoAnswer when there is one that does not answer.
func Dial(ctx context.Context, runtime string) (*Client, error) {
	path := filepath.Join(runtime, Socket)
	limited, cancel := withLimit(ctx)
	defer cancel()
	var d net.Dialer
	raw, err := d.DialContext(limited, "unix", path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
		return nil, ErrNoDaemon
	}
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("only root may speak to the daemon: %w", err)
	}
	if err != nil {
		return nil, unreachable(limited, err)
	}
	conn, err := dbus.NewConn(raw, dbus.WithSignalHandler(dbus.NewSequentialSignalHandler()))
	if err != nil {
		raw.Close()
		return nil, err
	}
	stop := context.AfterFunc(limited, func() { conn.Close() })
	err = conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Geteuid()))})
	if !stop() && err == nil {
		err = context.Cause(limited)
	}
	if err != nil {
		conn.Close()
		return nil, unreachable(limited, err)
	}
	return &Client{conn}, nil
}

// unreachable is why there is no connection: the limit of time is, if it is over.
func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if errors.Is(err, ErrNoAnswer) {
		return ErrNoAnswer
	}
	return fmt.Errorf("cannot reach the daemon: %w", err)
}

// ask makes a call that is answered at once, or ErrNoAnswer is the error.
func (c *Client) ask(ctx context.Context, path dbus.ObjectPath, method string, args ...any) *dbus.Call {
	limited, cancel := withLimit(ctx)
	defer cancel()
	call := c.conn.Object(Name, path).CallWithContext(limited, method, 0, args...)
	if call.Err != nil && limited.Err() != nil {
		call.Err = context.Cause(limited)
	}
	return call
}

// failure says what could not be had. That nobody answers is said alone.
func failure(what string, err error) error {
	if errors.Is(err, ErrNoAnswer) {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Instances lists the instances that the daemon looks after.
func (c *Client) Instances(ctx context.Context) ([]Listed, error) {
	var list []Listed
	if err := c.ask(ctx, ManagerPath, ManagerInterface+".ListInstances").Store(&list); err != nil {
		return nil, failure("the daemon does not list its instances", err)
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
		if r.FromReload {
			options["from-reload"] = dbus.MakeVariant(true)
		}
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
	err := c.ask(ctx, InstancePath(instance), propertiesInterface+".GetAll", InstanceInterface).Store(&all)
	if err != nil {
		return supervisor.Status{}, failure("the daemon does not tell the state of "+instance, err)
	}
	return statusOf(all)
}
