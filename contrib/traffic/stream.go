package traffic

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"
)

// streamClient holds a tunnel to an echo server behind nginx. Its latency is that
// of each echo.
type streamClient struct{ *client }

func (c *streamClient) request(ctx context.Context) event {
	start := time.Now()
	conn, f := c.dial(ctx, nil)
	if f != nil {
		return c.finished(ctx, start, "", f)
	}
	defer conn.Close()
	h, f := c.exchange(conn)
	if f != nil {
		return c.finished(ctx, start, h.server, f)
	}
	c.events <- c.event(begun)
	f = c.talk(conn, start)
	e := c.finished(ctx, start, h.server, f)
	e.took, e.begun = 0, true
	return e
}

// talk sends messages and waits for each one's echo until the stream has lasted as
// planned or the load stops.
func (c *streamClient) talk(conn *conn, start time.Time) *fault {
	echo := make([]byte, 64)
	for i := 0; c.Hold == 0 || time.Since(start) < c.Hold; i++ {
		message := fmt.Appendf(nil, "%-63d\n", i)
		sent := time.Now()
		conn.extend(c.timeout)
		if _, err := conn.Write(message); err != nil {
			return lateFault(err, StreamCut)
		}
		if _, err := io.ReadFull(c.br, echo); err != nil {
			return lateFault(err, StreamCut)
		}
		if !bytes.Equal(message, echo) {
			return faultf(BadBody, "echo %.40q of message %.40q", echo, message)
		}
		e := c.event(progress)
		e.took = e.at.Sub(sent)
		c.events <- e
		if !c.pause(c.Interval) {
			break
		}
	}
	return nil
}
