package probe

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// buffered lets a handler look at what comes.
type buffered struct {
	net.Conn
	*bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.Reader.Read(p) }

// ssl is a listener as nginx has it with `ssl`: TLS, and 400 for the rest.
func ssl(config *tls.Config, handle func(net.Conn), plain string) func(net.Conn) {
	return func(raw net.Conn) {
		conn := buffered{raw, bufio.NewReader(raw)}
		if first, err := conn.Peek(1); err == nil && first[0] == 0x16 {
			over(config, handle)(conn)
			return
		}
		answer(plain)(conn)
	}
}

// proxyProtocol is a listener as nginx has it with `proxy_protocol`.
func proxyProtocol(handle func(net.Conn)) func(net.Conn) {
	return func(raw net.Conn) {
		conn := buffered{raw, bufio.NewReader(raw)}
		if line, err := conn.ReadString('\n'); err == nil && strings.HasPrefix(line, "PROXY ") {
			handle(conn)
		}
	}
}

// http444 closes without an answer, unless the request is malformed.
func http444(c net.Conn) {
	if request := readRequest(c); len(request) == 0 || strings.HasPrefix(request[0], "PROXY") {
		_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
	}
}

const (
	bad400   = "HTTP/1.1 400 Bad Request\r\n\r\nThe plain HTTP request was sent to HTTPS port"
	redirect = "HTTP/1.1 301 Moved Permanently\r\nLocation: %s\r\n\r\n"
)

func TestLearn(t *testing.T) {
	valid, _, _ := certificate(t, soon())
	expired, _, _ := certificate(t, past())
	with := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	var count, hellos atomic.Int64
	everySecond := with(valid)
	everySecond.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if hellos.Add(1)%2 == 0 {
			runtime.Goexit() // closed in the handshake, without an alert
		}
		return nil, nil
	}
	tests := map[string]struct {
		handle func(net.Conn)
		want   string // kind, text and preamble; empty: left out
	}{
		"200":                      {answer(ok), "http 200"},
		"404":                      {answer("HTTP/1.1 404 Not Found\r\n\r\n"), "http 404"},
		"502":                      {answer("HTTP/1.1 502 Bad Gateway\r\n\r\n"), "http 502"},
		"redirect":                 {answer(fmt.Sprintf(redirect, "https://example.org/")), "http 301"},
		"444":                      {http444, "http closed without an answer"},
		"400":                      {answer("HTTP/1.1 400 Bad Request\r\n\r\n"), "http 400"},
		"https":                    {ssl(with(valid), answer(ok), bad400), "https 200"},
		"https, expired":           {ssl(with(expired), answer(ok), bad400), "https 200 with a certificate that expired"},
		"https, 444":               {ssl(with(valid), closeSilently, bad400), "https closed without an answer"},
		"https, refused":           {ssl(&tls.Config{}, answer(ok), bad400), "https a refused TLS handshake"},
		"proxy protocol":           {proxyProtocol(answer(ok)), "http 200 PROXY"},
		"proxy protocol and https": {proxyProtocol(ssl(with(valid), answer(ok), bad400)), "https 200 PROXY"},
		"unsteady": {func(c net.Conn) {
			answer(fmt.Sprintf("HTTP/1.1 %d x\r\n\r\n", 200+count.Add(1)))(c)
		}, ""},
		"unsteady in TLS": {ssl(everySecond, closeSilently, bad400), ""},
		"silence":         {silence, ""},
		"banner":          {answer("220 mail\r\n"), ""},
		"echo":            {func(c net.Conn) { _, _ = io.Copy(c, c) }, ""},
		"always close":    {closeSilently, ""},
		"always reset":    {reset, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := serve(t, test.handle)
			d := Learner{}.Learn(t.Context(), []nginx.Listener{{Inode: 1, Network: "tcp", Address: address}})
			if test.want == "" {
				if len(d.Expectations) != 0 || len(d.LeftOut) != 1 || !strings.Contains(d.LeftOut[0], address+": ") {
					t.Errorf("got %+v", d)
				}
				return
			}
			if len(d.Expectations) != 1 || len(d.LeftOut) != 0 {
				t.Fatalf("got %+v", d)
			}
			e := d.Expectations[0]
			got := e.Target.Kind() + " " + e.Want.Text
			if e.Target.Preamble {
				got += " PROXY"
			}
			if !strings.HasPrefix(got, test.want) || e.Target.Preamble != strings.HasSuffix(test.want, "PROXY") {
				t.Errorf("got %q", got)
			}
			if found := d.Check(t.Context()); len(found) != 0 {
				t.Errorf("an unchanged server: %s", texts(found))
			}
		})
	}
}

// A redirect to the own port with HTTPS is how `error_page 497` says it.
func TestLearnRedirectToItself(t *testing.T) {
	valid, _, _ := certificate(t, soon())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	config := &tls.Config{Certificates: []tls.Certificate{valid}}
	serveOn(t, l, ssl(config, answer(ok), fmt.Sprintf(redirect, "https://"+address+"/")))
	d := Learner{}.Learn(t.Context(), []nginx.Listener{{Network: "tcp", Address: address}})
	if len(d.Expectations) != 1 || d.Expectations[0].Target.Kind() != "https" || d.Expectations[0].Want.Status != 200 {
		t.Errorf("got %+v", d)
	}
}

func TestLearnNames(t *testing.T) {
	address := serve(t, func(c net.Conn) {
		status := 200
		if strings.Contains(strings.Join(readRequest(c), "|"), "|Host: two.example|") {
			status = 302
		}
		fmt.Fprintf(c, "HTTP/1.1 %d x\r\n\r\n", status)
	})
	learner := Learner{Names: []string{"two.example", "one.example", "*.example", "~x", "_", "", "one.example", "zzz.example"}}
	d := learner.Learn(t.Context(), []nginx.Listener{{Network: "tcp", Address: address}})
	got := map[string]int{}
	for _, e := range d.Expectations {
		got[e.Target.Host] = e.Want.Status
	}
	if diff := cmp.Diff(map[string]int{"": 200, "one.example": 200, "two.example": 302, "zzz.example": 200}, got); diff != "" {
		t.Error(diff)
	}
}

func TestLearnTargets(t *testing.T) {
	l := Learner{Root: "/proc/1/root"}
	var got []string
	for _, target := range l.targets([]nginx.Listener{
		{Inode: 1, Network: "tcp", Address: "0.0.0.0:80"}, {Inode: 2, Network: "tcp", Address: "0.0.0.0:80"},
		{Inode: 3, Network: "tcp", Address: "[::]:80"}, {Inode: 4, Network: "udp", Address: "0.0.0.0:443"},
		{Inode: 5, Network: "tcp", Address: "[fe80::1%2]:80"}, {Inode: 6, Network: "unix", Address: "/run/x.sock"},
		{Inode: 7, Network: "unix", Address: "@abstract"},
	}) {
		if err := target.Valid(); err != nil {
			t.Error(err)
		}
		got = append(got, target.String())
	}
	want := []string{"http 0.0.0.0:80", "http [::]:80", "http [fe80::1%2]:80", "http unix:/proc/1/root/run/x.sock", "http unix:@abstract"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Many listeners that keep silent take no longer than the limit: one after the
// other they would need 80 s. They do not hide the one that answers.
func TestLearnIsBounded(t *testing.T) {
	var listeners []nginx.Listener
	listeners = append(listeners, nginx.Listener{Network: "tcp", Address: serve(t, answer(ok))})
	for range 5 * parallel {
		listeners = append(listeners, nginx.Listener{Network: "tcp", Address: serve(t, silence)})
	}
	began := time.Now()
	d := Learner{limit: 3 * time.Second}.Learn(t.Context(), listeners)
	if took := time.Since(began); took > 40*time.Second {
		t.Errorf("it took %v", took)
	}
	if len(d.Expectations) != 1 || len(d.LeftOut) != 5*parallel {
		t.Errorf("%d expectations, %d left out", len(d.Expectations), len(d.LeftOut))
	}
}
