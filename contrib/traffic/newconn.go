package traffic

import (
	"context"
	"time"
)

// newConnClient opens a connection for each request and asks the server to close it.
type newConnClient struct{ *client }

func (c *newConnClient) request(ctx context.Context) event {
	start := time.Now()
	conn, f := c.dial(ctx, nil)
	if f != nil {
		return c.finished(ctx, start, "", f)
	}
	defer conn.Close()
	h, f := c.exchange(conn)
	if f == nil {
		f = c.receive(&h)
	}
	e := c.finished(ctx, start, h.server, f)
	if f == nil {
		conn.awaitClose()
	}
	return e
}
