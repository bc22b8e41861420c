package traffic

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// serve runs handle for each connection to a loopback port and returns the address.
func serve(t testing.TB, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go accept(l, handle)
	return l.Addr().String()
}

func accept(l net.Listener, handle func(net.Conn)) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			handle(conn)
		}()
	}
}

// readRequest reads one request's head and reports whether there was one.
func readRequest(br *bufio.Reader) bool {
	for {
		line, err := readLine(br)
		if err != nil {
			return false
		}
		if len(line) == 0 {
			return true
		}
	}
}

// answer returns a handler that reads a request and writes text.
func answer(text string) func(net.Conn) {
	return func(conn net.Conn) {
		readRequest(bufio.NewReader(conn))
		conn.Write([]byte(text))
	}
}

// stall says nothing until the client goes away.
func stall(conn net.Conn) { io.Copy(io.Discard, conn) }

// reset makes the close of conn send RST.
func reset(conn net.Conn) { conn.(*net.TCPConn).SetLinger(0) }

// one makes a requester for t that tells its events into a buffer.
func one(t testing.TB, target Target, timeout time.Duration) (requester, chan event) {
	t.Helper()
	target, err := target.complete()
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan event, 10_000)
	return newClient(target, timeout, make(chan struct{}), events).requester(), events
}

// kindOf returns the fault's kind, empty for none.
func kindOf(e event) string {
	if e.fault == nil {
		return ""
	}
	return e.fault.kind
}

// unable skips the test, or fails it where CI is set.
func unable(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// eventually calls f each 5 ms until it returns nil, and fails with its last
// reason after a minute.
func eventually(t testing.TB, f func() error) {
	t.Helper()
	err := errors.New("not tried")
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatal(err)
}
