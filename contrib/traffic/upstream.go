package traffic

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// Upstream is the server behind nginx that [Stream] clients talk to: it accepts
// any HTTP Upgrade and then sends back what it gets.
type Upstream struct {
	listener net.Listener
	cancel   context.CancelFunc
	conns    sync.WaitGroup
}

// EchoUpstream starts an upstream on address: HOST:PORT (port 0 for any free one)
// or unix:/path. It serves until Close.
func EchoUpstream(address string) (*Upstream, error) {
	network := "tcp"
	path, isUnix := strings.CutPrefix(address, "unix:")
	if isUnix {
		network, address = "unix", path
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		return nil, fmt.Errorf("cannot start the echo upstream: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	u := &Upstream{listener: listener, cancel: cancel}
	u.conns.Go(func() { u.accept(ctx) })
	return u, nil
}

// Addr returns the address in the form that proxy_pass wants after "http://".
func (u *Upstream) Addr() string {
	if a := u.listener.Addr(); a.Network() == "unix" {
		return "unix:" + a.String()
	}
	return u.listener.Addr().String()
}

// Close ends the upstream and all its streams.
func (u *Upstream) Close() error {
	u.cancel()
	err := u.listener.Close()
	u.conns.Wait()
	return err
}

func (u *Upstream) accept(ctx context.Context) {
	for {
		conn, err := u.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// Out of descriptors: the queue holds the connection meanwhile.
			select {
			case <-ctx.Done():
				return
			case <-time.After(10 * time.Millisecond):
			}
			continue
		}
		u.conns.Go(func() {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			echo(conn)
		})
	}
}

// echo serves one connection: a request, 101, and then all that comes goes back.
// Who asks for no upgrade (RFC 9110 section 7.8) is told with 426.
func echo(conn net.Conn) {
	br := bufio.NewReader(conn)
	upgrade := false
	for i := range maxHeaders {
		line, err := readLine(br)
		if err != nil {
			return
		}
		if len(line) == 0 {
			break
		}
		name, _, _ := bytes.Cut(line, []byte(":"))
		upgrade = upgrade || i > 0 && equalFold(name, "upgrade")
	}
	if !upgrade {
		io.WriteString(conn, "HTTP/1.1 426 Upgrade Required\r\nUpgrade: echo\r\nConnection: Upgrade, close\r\nContent-Length: 0\r\n\r\n")
		return
	}
	io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
	io.Copy(conn, br) // ends with the connection, either way
}
