package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// addresses returns where a target is, in the order to try.
func (t Target) addresses() []string {
	host, port, err := net.SplitHostPort(t.TCP)
	if t.TCP == "" {
		var u *url.URL
		if u, err = url.Parse(t.URL); err == nil {
			host, port = u.Hostname(), cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[t.Kind()])
		}
	}
	if err != nil {
		return nil // Valid has refused it
	}
	var found []string
	for _, h := range reach(host) {
		found = append(found, net.JoinHostPort(h, port))
	}
	return found
}

// reach returns the addresses at which a server on this machine is asked that
// listens on host.
func reach(host string) []string {
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil: // a name
		return []string{"127.0.0.1", "::1"}
	case addr == netip.IPv4Unspecified():
		return []string{"127.0.0.1"}
	case addr == netip.IPv6Unspecified():
		return []string{"::1", "127.0.0.1"} // it takes IPv4 too with ipv6only=off
	}
	return []string{host}
}

// dial connects to the first address that there is. A named site on loopback
// may have only one of the two families.
func (t Target) dial(ctx context.Context) (net.Conn, error) {
	if t.Unix != "" {
		return t.dialUnix(ctx)
	}
	var first error
	for _, address := range t.addresses() {
		conn, err := t.In.dial(ctx, "tcp", address)
		if err == nil || isTimeout(err) {
			return conn, err
		}
		first = cmp.Or(first, err)
	}
	return nil, first
}

// dialUnix waits while the listener's queue is full, as a blocking connect(2)
// would.
func (t Target) dialUnix(ctx context.Context) (net.Conn, error) {
	path := t.Unix
	if len(path) >= len(unix.RawSockaddrUnix{}.Path) && path[0] != '@' {
		socket, err := os.OpenFile(path, unix.O_PATH, 0)
		if err != nil {
			return nil, err
		}
		defer socket.Close()
		path = fmt.Sprintf("/proc/self/fd/%d", socket.Fd())
	}
	for {
		conn, err := t.In.dial(ctx, "unix", path)
		if !errors.Is(err, syscall.EAGAIN) {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// dial makes one connection. The address must be a literal one: a name would
// be dialled by other goroutines, on threads that are elsewhere.
func (n *Namespace) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	d := net.Dialer{KeepAlive: -1}
	err = n.Do(func() (err error) {
		conn, err = d.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}
