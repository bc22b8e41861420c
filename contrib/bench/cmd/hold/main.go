// Command hold keeps many connections open in the middle of a request, so that no
// worker of nginx takes them for idle: it sends half a request on each, says
// "ready" on standard error and closes them when standard input ends. On the other
// side nginx needs a long client_header_timeout.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	n := flag.Int("n", 100, "`HOW` many connections; an address has ports for 28,232")
	from := flag.String("from", "127.0.0.1", "`ADDRESS` that they come from")
	to := flag.String("to", "127.0.0.1:8089", "`ADDRESS` of nginx")
	flag.Parse()
	if err := run(*n, *from, *to, os.Stdin, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "hold:", err)
		os.Exit(1)
	}
}

func run(n int, from, to string, in io.Reader, log io.Writer) error {
	conns := make([]*net.TCPConn, 0, n)
	for i := range n {
		conn, err := open(from, to)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		conns = append(conns, conn)
	}
	fmt.Fprintln(log, "ready")
	_, err := io.Copy(io.Discard, in)
	for _, conn := range conns {
		// A reset: those that come next need the ports.
		err = errors.Join(err, conn.SetLinger(0), conn.Close())
	}
	return err
}

// open makes a connection and sends half a request.
func open(from, to string) (*net.TCPConn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, KeepAlive: -1, Control: latePort}
	dialed, err := d.Dial("tcp", to)
	if err != nil {
		return nil, err
	}
	conn := dialed.(*net.TCPConn)
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n")
	return conn, err
}

// latePort has the port chosen when it is known whom it leads to, ip(7): at bind
// one that anybody else has would not do.
func latePort(_, _ string, conn syscall.RawConn) error {
	var failed error
	err := conn.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	})
	return errors.Join(err, failed)
}
