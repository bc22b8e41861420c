// Package freeport finds loopback ports for servers of tests that are told their
// address before they bind it.
package freeport

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// The ports are below those that Linux gives to outgoing connections
// (net.ipv4.ip_local_port_range, from 32768 on): a port of that range that was
// free a moment ago may be the near end of anybody's connection when nginx binds it.
const first, last = 10_000, 29_999

var (
	mu     sync.Mutex
	claims []net.PacketConn // held as long as the process lives
)

// Address returns a TCP address of 127.0.0.1 that nobody listens on. No other
// test gets it, in this process or in another, as long as this one lives.
func Address(tb testing.TB) string {
	tb.Helper()
	return On(tb, "tcp4", "127.0.0.1")
}

// On is Address for a network (tcp4, tcp6, udp4 ...) and one of its hosts. It
// returns "" where the machine has no such host.
func On(tb testing.TB, network, host string) string {
	tb.Helper()
	const tries = 1000
	for range tries {
		port := first + rand.IntN(last-first+1)
		address := net.JoinHostPort(host, strconv.Itoa(port))
		if !claim(port) {
			continue
		}
		err := bind(network, address)
		switch {
		case err == nil:
			return address
		case errors.Is(err, unix.EADDRNOTAVAIL), errors.Is(err, unix.EAFNOSUPPORT):
			return ""
		case !errors.Is(err, unix.EADDRINUSE):
			tb.Fatal(err)
		}
	}
	tb.Fatalf("no port of %d to %d is free", first, last)
	return ""
}

// claim takes a port for this process. An abstract socket is in the same network
// namespace as the port, has one owner, and goes with it. A datagram socket: a
// test that lists this process's listeners does not find it.
func claim(port int) bool {
	c, err := net.ListenPacket("unixgram", fmt.Sprintf("@nginx-hotswap-port-%d", port))
	if err != nil {
		return false
	}
	mu.Lock()
	defer mu.Unlock()
	claims = append(claims, c)
	return true
}

// bind finds out whether others than tests have the address.
func bind(network, address string) error {
	var c io.Closer
	var err error
	if network[:3] == "udp" {
		c, err = net.ListenPacket(network, address)
	} else {
		c, err = net.Listen(network, address)
	}
	if err != nil {
		return err
	}
	return c.Close()
}
