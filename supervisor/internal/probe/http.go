package probe

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"time"
)

// connect asks over a connection.
func (t Target) connect(ctx context.Context) Answer {
	conn, err := t.dial(ctx)
	if err != nil {
		return failure(err)
	}
	defer conn.Close()
	// A deadline in the past ends what waits on the connection.
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if t.TCP != "" {
		return Answer{Outcome: Connected, Text: "connected"}
	}
	if t.Preamble {
		// What fails to be written shows in what is read.
		_, _ = io.WriteString(conn, "PROXY UNKNOWN\r\n")
	}
	if t.Kind() == "https" {
		return t.secure(ctx, conn)
	}
	return t.get(conn)
}

// secure asks over TLS. The answer is taken whatever the certificate: with one
// that is not valid, the status still tells something.
func (t Target) secure(ctx context.Context, raw net.Conn) Answer {
	conn := tls.Client(raw, t.tlsConfig())
	if err := conn.HandshakeContext(ctx); err != nil {
		return handshakeFailure(err)
	}
	a := t.get(conn)
	leaf := conn.ConnectionState().PeerCertificates[0]
	a.Leaf = fingerprint(leaf)
	if flaw := flaw(leaf, nameOf(t.host()), time.Now()); flaw != "" && a.Outcome == Status {
		a.Outcome = Certificate
		a.Text += " with a certificate that " + flaw
	}
	return a
}

// get makes the request and reads the answer's head.
func (t Target) get(conn net.Conn) Answer {
	u, err := url.Parse(t.URL)
	if err != nil {
		return unasked(err)
	}
	_, written := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: nginx-hotswap\r\nAccept: */*\r\nConnection: close\r\n\r\n",
		u.RequestURI(), cmp.Or(t.host(), hostField(u)))
	a := readAnswer(bufio.NewReader(conn))
	if a.Outcome == Closed && written != nil {
		return failure(written) // it took the reset with it
	}
	return a
}

// host is the site that is meant, empty if only an address is known.
func (t Target) host() string {
	if t.Host != "" {
		return t.Host
	}
	u, err := url.Parse(t.URL)
	if err != nil || nameOf(u.Host) == "" {
		return ""
	}
	return u.Host
}

// hostField is the Host of a request that means no site in particular.
func hostField(u *url.URL) string {
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && addr.IsUnspecified() {
		return "localhost"
	}
	return u.Host
}
