package traffic

import (
	"context"
	"errors"
	"io"
	"syscall"
	"time"
)

// downloadClient reads long bodies slowly. Its latency is the time to the head of
// the answer.
type downloadClient struct{ *client }

// receiveBuffer is a Download's SO_RCVBUF in bytes (the kernel doubles it). With
// the usual one a body of several megabytes is in the kernel's hands at once, and
// nginx has nothing left to lose. The server's send buffer does the same on its
// side: see sendBuffer.
const receiveBuffer = 32 << 10

func smallBuffer(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, receiveBuffer)
	})
	return errors.Join(err, failed)
}

func (c *downloadClient) request(ctx context.Context) event {
	start := time.Now()
	conn, f := c.dial(ctx, smallBuffer)
	if f != nil {
		return c.finished(ctx, start, "", f)
	}
	defer conn.Close()
	h, f := c.exchange(conn)
	if f != nil {
		return c.finished(ctx, start, h.server, f)
	}
	took := time.Since(start)
	c.events <- c.event(begun)
	f = c.read(conn, h.body(c.br))
	e := c.finished(ctx, start, h.server, f)
	e.took, e.begun = took, true
	if f == nil {
		conn.awaitClose()
	}
	return e
}

// read takes the body in pieces of a twentieth of a second, each as late as the
// rate says. Once the load stops the rest is read at full speed.
func (c *downloadClient) read(conn *conn, body io.Reader) *fault {
	c.hash.Reset()
	piece := int64(min(max(1, c.Rate/20), 64<<10))
	start := time.Now()
	var total int64
	for {
		conn.extend(c.timeout)
		n, err := io.CopyN(c.hash, body, piece)
		total += n
		switch {
		case err == nil:
			c.events <- c.event(progress)
		case errors.Is(err, io.EOF):
			return c.checkBody(total)
		default:
			return lateFault(err, DownloadCut)
		}
		c.pause(time.Until(start.Add(due(total, c.Rate))))
	}
}

// due returns when the n-th byte is due at rate bytes per second.
func due(n int64, rate int) time.Duration {
	return time.Duration(float64(n) / float64(rate) * float64(time.Second))
}
