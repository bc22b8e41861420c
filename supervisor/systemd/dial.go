package systemd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/godbus/dbus/v5"
)

const (
	privateSocket = "/run/systemd/private"
	busSocket     = "/run/dbus/system_bus_socket"
)

// dialAny reaches PID 1 over its private socket as root, else, or when that
// fails, over the system bus.
func dialAny(ctx context.Context) (*dbus.Conn, error) {
	if os.Geteuid() != 0 {
		return dialBus(ctx)
	}
	c, err := dialPrivate(ctx)
	if err == nil {
		return c, nil
	}
	b, busErr := dialBus(ctx)
	if busErr != nil {
		return nil, errors.Join(err, busErr)
	}
	return b, nil
}

// dialPrivate opens a peer-to-peer connection: there is no bus at the other end,
// hence no Hello, no match rules, and every signal of PID 1 arrives.
func dialPrivate(ctx context.Context) (*dbus.Conn, error) {
	return open(ctx, privateSocket, false)
}

// dialBus opens a connection of our own to the system bus.
func dialBus(ctx context.Context) (*dbus.Conn, error) {
	return open(ctx, busPath(), true)
}

// busPath is the socket of the system bus, DBUS_SYSTEM_BUS_ADDRESS if that names
// a plain path.
func busPath() string {
	addr, ok := strings.CutPrefix(os.Getenv("DBUS_SYSTEM_BUS_ADDRESS"), "unix:path=")
	if !ok || strings.ContainsAny(addr, ",;%") {
		return busSocket
	}
	return addr
}

// open dials, authenticates and, on a bus, says hello. The context bounds the
// handshake alone: the connection lives until it is closed.
func open(ctx context.Context, path string, bus bool) (*dbus.Conn, error) {
	var d net.Dialer
	sock, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot reach systemd: %w", err)
	}
	c, err := dbus.DialUnix(sock.(*net.UnixConn), dbus.WithSignalHandler(dbus.NewSequentialSignalHandler()))
	if err != nil {
		sock.Close()
		return nil, fmt.Errorf("cannot reach systemd over %s: %w", path, err)
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	err = handshake(c, bus)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("cannot reach systemd over %s: %w", path, err)
	}
	return c, nil
}

func handshake(c *dbus.Conn, bus bool) error {
	uid := strconv.Itoa(os.Geteuid())
	if err := c.Auth([]dbus.Auth{dbus.AuthExternal(uid)}); err != nil {
		return err
	}
	if !bus {
		return nil
	}
	return c.Hello()
}
