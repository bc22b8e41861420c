package traffic

import (
	"context"
	"time"
)

// keepAliveClient sends its requests on one connection for as long as the server
// keeps it.
type keepAliveClient struct {
	*client
	conn *conn // nil: none
}

// request repeats a request once on a fresh connection if the used one turned out
// closed.
func (c *keepAliveClient) request(ctx context.Context) event {
	start := time.Now()
	used := c.conn != nil
	h, f := c.try(ctx)
	if used && f != nil && f.stale() && ctx.Err() == nil {
		c.events <- c.event(stale)
		h, f = c.try(ctx)
	}
	return c.finished(ctx, start, h.server, f)
}

// try sends the request once and keeps the connection if it may be used again.
func (c *keepAliveClient) try(ctx context.Context) (head, *fault) {
	if c.conn == nil {
		conn, f := c.dial(ctx, nil)
		if f != nil {
			return head{}, f
		}
		c.conn = conn
	}
	c.conn.extend(c.timeout)
	h, f := c.exchange(c.conn)
	if f == nil {
		f = c.receive(&h)
	}
	if f != nil || h.close {
		c.Close()
	}
	return h, f
}

// Close closes the connection, if there is one.
func (c *keepAliveClient) Close() error {
	if c.conn == nil {
		return nil
	}
	conn := c.conn
	c.conn = nil
	return conn.Close()
}
