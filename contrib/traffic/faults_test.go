package traffic

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/freeport"
)

const good = "HTTP/1.1 200 OK\r\nServer: nginx/1.0\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody"

// helloSum is the SHA-256 of "hello".
const helloSum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

// TestFaults lets servers misbehave in each way; each is told exactly.
func TestFaults(t *testing.T) {
	tests := []struct {
		name   string
		server func(net.Conn)
		target Target
		want   string
	}{
		{"good", answer(good), Target{}, ""},
		{"late accept or answer", func(c net.Conn) {
			time.Sleep(100 * time.Millisecond)
			answer(good)(c)
		}, Target{}, ""},
		{"interim answer", answer("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + good), Target{}, ""},
		{"chunked", answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: r\r\n\r\n"),
			Target{ExpectSHA256: helloSum}, ""},
		{"until close", answer("HTTP/1.0 200 OK\r\n\r\nhello"), Target{ExpectSHA256: helloSum}, ""},
		{"no body", answer("HTTP/1.1 204 No Content\r\n\r\n"), Target{ExpectStatus: 204}, ""},

		{"reset after the request", func(c net.Conn) { reset(c); answer("")(c) }, Target{}, Reset},
		{"end before the answer", answer(""), Target{}, EOF},
		{"end in the status line", answer("HTTP/1.1 2"), Target{}, Cut},
		{"end in the header", answer("HTTP/1.1 200 OK\r\nContent-Le"), Target{}, Cut},
		{"end in the body", answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"), Target{}, Cut},
		{"end before the body", answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), Target{}, Cut},
		{"end in a chunk", answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"), Target{}, Cut},
		{"end between chunks", answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n"), Target{}, Cut},
		{"end before the trailer", answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n0\r\n"), Target{}, Cut},
		{"reset in the body", func(c net.Conn) {
			answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")(c)
			time.Sleep(20 * time.Millisecond)
			reset(c)
		}, Target{}, Cut},
		{"slow answer", stall, Target{}, Timeout},
		{"slow body", func(c net.Conn) {
			answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")(c)
			stall(c)
		}, Target{}, Timeout},
		{"wrong status", answer("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"), Target{}, BadStatus},
		{"wrong content", answer(good), Target{ExpectSHA256: helloSum}, BadBody},
		{"wrong size", answer(good), Target{Size: 5}, BadBody},
		{"not HTTP", answer("220 mail.example ESMTP\r\n\r\n"), Target{}, Other},
		{"bad chunk", answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), Target{}, Other},
		{"endless header", answer("HTTP/1.1 200 OK\r\nA: " + strings.Repeat("b", 10_000)), Target{}, Other},

		{"download good", answer(good), Target{Kind: Download}, ""},
		{"download cut", answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"), Target{Kind: Download}, DownloadCut},
		{"download cut at a piece", answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"), Target{Kind: Download, Rate: 40}, DownloadCut},
		{"download of other content", answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), Target{Kind: Download, Size: 5}, BadBody},
		{"download stalls", func(c net.Conn) {
			answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")(c)
			stall(c)
		}, Target{Kind: Download}, Timeout},
		{"download without an answer", answer(""), Target{Kind: Download}, EOF},

		{"stream refused", answer(good), Target{Kind: Stream}, BadStatus},
		{"stream cut", answer("HTTP/1.1 101 Switching Protocols\r\n\r\n"), Target{Kind: Stream}, StreamCut},
		{"stream reset", func(c net.Conn) {
			answer("HTTP/1.1 101 Switching Protocols\r\n\r\n")(c)
			time.Sleep(20 * time.Millisecond)
			reset(c)
		}, Target{Kind: Stream}, StreamCut},
		{"stream silent", func(c net.Conn) {
			answer("HTTP/1.1 101 Switching Protocols\r\n\r\n")(c)
			stall(c)
		}, Target{Kind: Stream}, Timeout},
		{"stream garbled", answer("HTTP/1.1 101 Switching Protocols\r\n\r\n" + strings.Repeat("x", 64)), Target{Kind: Stream}, BadBody},
		{"stream without an answer", answer(""), Target{Kind: Stream}, EOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.target.URL = "http://" + serve(t, tt.server) + "/"
			timeout := time.Minute
			if tt.want == Timeout {
				timeout = time.Second
			}
			r, _ := one(t, tt.target, timeout)
			e := r.request(t.Context())
			if got := kindOf(e); got != tt.want {
				t.Errorf("fault is %q (%v), not %q", got, e.fault, tt.want)
			}
		})
	}
}

func TestConnectFaults(t *testing.T) {
	dir := t.TempDir()
	dead := filepath.Join(dir, "dead.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()

	tests := []struct {
		name   string
		target Target
		want   string
	}{
		{"nobody listens", Target{URL: "http://" + freeport.Address(t)}, ConnectRefused},
		{"no such socket", Target{URL: "http://x", Kind: Unix, Unix: filepath.Join(dir, "none.sock")}, ConnectRefused},
		{"dead socket", Target{URL: "http://x", Kind: Unix, Unix: dead}, ConnectRefused},
		{"queue full", Target{URL: "http://" + full(t, syscall.AF_INET)}, ConnectTimeout},
		{"unix queue full", Target{URL: "http://x", Kind: Unix, Unix: full(t, syscall.AF_UNIX)}, ConnectTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, _ := one(t, tt.target, 300*time.Millisecond)
			e := r.request(t.Context())
			if got := kindOf(e); got != tt.want {
				t.Errorf("fault is %q (%v), not %q", got, e.fault, tt.want)
			}
		})
	}
}

// TestResetOnAccept resets connections as the kernel does with those in the queue
// of a listener that is closed. The client sees it in connect(2) or right after.
func TestResetOnAccept(t *testing.T) {
	r, _ := one(t, Target{URL: "http://" + serve(t, reset)}, time.Minute)
	for range 20 {
		e := r.request(t.Context())
		if got := kindOf(e); got != ConnectReset && got != Reset {
			t.Errorf("fault is %q (%v), not %q or %q", got, e.fault, ConnectReset, Reset)
		}
	}
}

// full returns the address of a listener that accepts nothing and whose queue has
// no room.
func full(t *testing.T, family int) string {
	t.Helper()
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	var address syscall.Sockaddr = &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	path := filepath.Join(t.TempDir(), "s")
	if family == syscall.AF_UNIX {
		address = &syscall.SockaddrUnix{Name: path}
	}
	if err := errors.Join(syscall.Bind(fd, address), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	network := "unix"
	if family == syscall.AF_INET {
		bound, err := syscall.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		network, path = "tcp", fmt.Sprintf("127.0.0.1:%d", bound.(*syscall.SockaddrInet4).Port)
	}
	for range 3 {
		if c, err := net.DialTimeout(network, path, 100*time.Millisecond); err == nil {
			t.Cleanup(func() { c.Close() })
		}
	}
	return path
}

// TestErrno covers what no server on loopback can bring about at will.
func TestErrno(t *testing.T) {
	wrap := func(errno syscall.Errno) error {
		return &net.OpError{Op: "x", Err: os.NewSyscallError("y", errno)}
	}
	tests := []struct {
		name string
		got  *fault
		want string
	}{
		{"connect reset", connectFault(wrap(syscall.ECONNRESET)), ConnectReset},
		{"connect timed out by the kernel", connectFault(wrap(syscall.ETIMEDOUT)), ConnectTimeout},
		{"no port left", connectFault(wrap(syscall.EADDRNOTAVAIL)), Local},
		{"no descriptor left", connectFault(wrap(syscall.EMFILE)), Local},
		{"unreachable", connectFault(wrap(syscall.ENETUNREACH)), Other},
		{"pipe before the answer", earlyFault(wrap(syscall.EPIPE)), Reset},
		{"timed out by the kernel", earlyFault(wrap(syscall.ETIMEDOUT)), Timeout},
		{"cut", lateFault(io.ErrUnexpectedEOF, Cut), Cut},
		{"pipe in a stream", lateFault(wrap(syscall.EPIPE), StreamCut), StreamCut},
	}
	for _, tt := range tests {
		if tt.got.kind != tt.want {
			t.Errorf("%s: fault is %q, not %q", tt.name, tt.got.kind, tt.want)
		}
	}
}

// TestKeepAlive looks at what happens to a used connection that the server closes.
func TestKeepAlive(t *testing.T) {
	const keep = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
	// serveTimes answers n requests on a connection and then ends it.
	serveTimes := func(n int, end func(net.Conn)) func(net.Conn) {
		return func(c net.Conn) {
			br := bufio.NewReader(c)
			for range n {
				if !readRequest(br) {
					return
				}
				io.WriteString(c, keep)
			}
			end(c)
		}
	}
	reads := func(c net.Conn) { readRequest(bufio.NewReader(c)) }
	var later atomic.Bool
	tests := []struct {
		name   string
		server func(net.Conn)
		stale  int
		want   []string // faults of four requests
	}{
		{"kept", serveTimes(10, reads), 0, []string{"", "", "", ""}},
		{"server says close", answer(good), 0, []string{"", "", "", ""}},
		{"closed while idle", serveTimes(2, func(net.Conn) {}), 1, []string{"", "", "", ""}},
		{"closed with a request", serveTimes(1, reads), 3, []string{"", "", "", ""}},
		{"reset while idle", serveTimes(1, reset), 3, []string{"", "", "", ""}},
		{"cut is no stale connection", func(c net.Conn) {
			serveTimes(1, answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody"))(c)
		}, 0, []string{"", Cut, "", Cut}},
		{"closed at once", answer(""), 0, []string{EOF, EOF, EOF, EOF}},
		{"the retry fails", func(c net.Conn) {
			if !later.Swap(true) {
				serveTimes(1, reads)(c)
			}
		}, 1, []string{"", EOF, EOF, EOF}},
		{"slow", serveTimes(1, stall), 0, []string{"", Timeout, "", Timeout}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, events := one(t, Target{Kind: KeepAlive, URL: "http://" + serve(t, tt.server)}, time.Minute)
			client := r.(*keepAliveClient)
			defer client.Close()
			for i, want := range tt.want {
				client.timeout = time.Minute
				if want == Timeout {
					client.timeout = 200 * time.Millisecond
				}
				e := r.request(t.Context())
				got := kindOf(e)
				// A connection that the server refuses to read from ends either way.
				if got == Reset && want == EOF {
					got = EOF
				}
				if got != want {
					t.Errorf("request %d: fault is %q (%v), not %q", i, got, e.fault, want)
				}
				time.Sleep(10 * time.Millisecond) // the end arrives while idle
			}
			if len(events) != tt.stale {
				t.Errorf("%d stale retries, not %d", len(events), tt.stale)
			}
		})
	}
}
