package systemd

import (
	"context"
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

// dialPrivate opens a peer-to-peer connection: there is no bus at the other end,
// hence no Hello, no match rules, and every signal of PID 1 arrives.
func dialPrivate(ctx context.Context) (*Manager, error) {
	c, err := open(ctx, privateSocket, false)
	if err != nil {
		return nil, err
	}
	return &Manager{conn: c}, nil
}

// dialBus opens a connection of our own to the system bus.
func dialBus(ctx context.Context) (*Manager, error) {
	c, err := open(ctx, BusSocket(), true)
	if err != nil {
		return nil, err
	}
	return &Manager{conn: c, bus: true}, nil
}

// BusSocket is the socket of the system bus: what DBUS_SYSTEM_BUS_ADDRESS names if
// that is a plain path, else where the bus listens on every distribution.
func BusSocket() string {
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
		return nudge(c)
	}
	return c.Hello()
}

// nudge sends a message that is too long to be read together with the BEGIN
// before it. PID 1 reads the handshake 256 bytes at a time (bus_socket_read_auth),
// and what comes along in the same read then lies in its buffer until more
// arrives: a short first call would time out, one time in ten as measured on
// systemd 252. No reply is wanted, so none comes.
func nudge(c *dbus.Conn) error {
	pad := strings.Repeat(" ", 4096)
	return c.Object(busName, busRoot).Go("org.freedesktop.DBus.Peer.Ping", dbus.FlagNoReplyExpected, nil, pad).Err
}
