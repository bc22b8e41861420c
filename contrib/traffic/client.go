package traffic

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/url"
	"time"
)

// requester is a kind of client: it makes one request, from the connect to the
// last byte, and says how it ended. The context ends it hard.
type requester interface {
	request(ctx context.Context) event
}

// client is what all kinds have in common: the target, the reader and what they
// tell the ledger.
type client struct {
	Target
	timeout time.Duration
	message []byte // the request as it is sent
	br      *bufio.Reader
	hash    hash.Hash
	timer   *time.Timer
	stop    <-chan struct{} // closed: no new requests
	events  chan<- event
}

func newClient(t Target, timeout time.Duration, stop <-chan struct{}, events chan<- event) *client {
	return &client{
		Target: t, timeout: timeout, message: message(t),
		br: bufio.NewReader(nil), hash: sha256.New(), timer: time.NewTimer(0),
		stop: stop, events: events,
	}
}

// requester returns the client's behaviour for its kind.
func (c *client) requester() requester {
	switch c.Kind {
	case KeepAlive:
		return &keepAliveClient{client: c}
	case Download:
		return &downloadClient{client: c}
	case Stream:
		return &streamClient{client: c}
	case Unix:
		return &unixClient{newConnClient{client: c}}
	}
	return &newConnClient{client: c}
}

// run makes requests until the load stops. The first comes after delay, so that
// the clients of a target do not march in step.
func (c *client) run(ctx context.Context, delay time.Duration) {
	r := c.requester()
	if closer, ok := r.(io.Closer); ok {
		defer closer.Close()
	}
	for c.pause(delay) {
		c.events <- r.request(ctx)
		delay = c.Interval
	}
}

// pause waits for d and reports whether the load still goes on.
func (c *client) pause(d time.Duration) bool {
	c.timer.Reset(d)
	select {
	case <-c.stop:
		return false
	case <-c.timer.C:
		return true
	}
}

// message builds the request that clients of t send.
func message(t Target) []byte {
	u, err := url.Parse(t.URL)
	if err != nil {
		return nil // check has refused it
	}
	connection := "close"
	switch t.Kind {
	case KeepAlive:
		connection = "keep-alive"
	case Stream:
		connection = "Upgrade\r\nUpgrade: echo"
	}
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: traffic\r\nConnection: %s\r\n\r\n",
		u.RequestURI(), u.Host, connection)
}

// exchange sends the request and reads the head of the answer.
func (c *client) exchange(conn *conn) (head, *fault) {
	if _, err := conn.Write(c.message); err != nil {
		return head{}, earlyFault(err)
	}
	if _, err := c.br.Peek(1); err != nil {
		return head{}, earlyFault(err)
	}
	h, err := readHead(c.br)
	switch {
	case err != nil:
		return h, lateFault(err, Cut)
	case h.status != c.ExpectStatus:
		return h, faultf(BadStatus, "status %d, not %d", h.status, c.ExpectStatus)
	}
	return h, nil
}

// receive reads the body and checks it.
func (c *client) receive(h *head) *fault {
	c.hash.Reset()
	sink := io.Discard
	if c.ExpectSHA256 != "" {
		sink = c.hash
	}
	n, err := io.Copy(sink, h.body(c.br))
	if err != nil {
		return lateFault(err, Cut)
	}
	return c.checkBody(n)
}

// checkBody compares the n bytes that went through the hash with the expected.
func (c *client) checkBody(n int64) *fault {
	if c.Size > 0 && n != c.Size {
		return faultf(BadBody, "%d bytes, not %d", n, c.Size)
	}
	if c.ExpectSHA256 == "" {
		return nil
	}
	if sum := hex.EncodeToString(c.hash.Sum(nil)); sum != c.ExpectSHA256 {
		return faultf(BadBody, "%d bytes with SHA-256 %.8s…, not %.8s…", n, sum, c.ExpectSHA256)
	}
	return nil
}

// event returns an event of this client, now.
func (c *client) event(what string) event {
	return event{what: what, kind: c.Kind, at: time.Now(), url: c.URL}
}

// finished returns the last event of a request that began at start. A fault after
// the end of ctx is our own doing.
func (c *client) finished(ctx context.Context, start time.Time, server string, f *fault) event {
	e := c.event(finished)
	e.server, e.fault, e.took = server, f, e.at.Sub(start)
	if f != nil && ctx.Err() != nil {
		e.fault = &fault{unfinished, context.Cause(ctx)}
	}
	return e
}
