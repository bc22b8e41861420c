package traffic

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

// conn is a client's connection. It is closed when the context that it was dialled
// with ends, which ends any read or write on it.
type conn struct {
	net.Conn
	release func() bool
}

// dial connects to the target and points the client's reader at the connection.
// Its deadline is the client's timeout from now.
func (c *client) dial(ctx context.Context, control func(string, string, syscall.RawConn) error) (*conn, *fault) {
	network, address := c.address()
	deadline := time.Now().Add(c.timeout)
	// No keep-alive probes: two system calls less for each connection.
	d := net.Dialer{Deadline: deadline, KeepAlive: -1, Control: control}
	raw, err := d.DialContext(ctx, network, address)
	for errors.Is(err, syscall.EAGAIN) && network == "unix" {
		// The listener's queue is full. A blocking connect(2) would wait.
		if !c.again(ctx, deadline) {
			return nil, &fault{ConnectTimeout, err}
		}
		raw, err = d.DialContext(ctx, network, address)
	}
	if err != nil {
		return nil, connectFault(err)
	}
	conn := &conn{Conn: raw, release: context.AfterFunc(ctx, func() { raw.Close() })}
	conn.extend(c.timeout)
	c.br.Reset(conn)
	return conn, nil
}

// again waits a millisecond; false means that there is no time left to try again.
func (c *client) again(ctx context.Context, deadline time.Time) bool {
	c.timer.Reset(time.Millisecond)
	select {
	case <-ctx.Done():
		return false
	case <-c.timer.C:
		return time.Now().Before(deadline)
	}
}

// extend moves the deadline to timeout from now.
func (c *conn) extend(timeout time.Duration) {
	// It fails only on a closed connection, which the next read or write reports.
	c.SetDeadline(time.Now().Add(timeout))
}

// awaitClose lets the server close first, so that TIME_WAIT is on its side and our
// port is free. What it sends after the answer, and a reset, no longer matter.
func (c *conn) awaitClose() {
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	var rest [512]byte
	for {
		if _, err := c.Read(rest[:]); err != nil {
			return
		}
	}
}

// Close closes the connection and lets go of its context.
func (c *conn) Close() error {
	c.release()
	return c.Conn.Close()
}
