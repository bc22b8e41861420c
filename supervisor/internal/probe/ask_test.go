package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/freeport"
)

func TestAskHTTP(t *testing.T) {
	tests := map[string]struct {
		handle  func(net.Conn)
		outcome Outcome
		status  int
		text    string
	}{
		"200":               {answer(ok), Status, 200, "200"},
		"500":               {answer("HTTP/1.1 500 Internal Server Error\r\n\r\n"), Status, 500, "500"},
		"a redirect":        {answer("HTTP/1.1 301 Moved Permanently\r\nLocation: http://127.0.0.1:1/\r\n\r\n"), Status, 301, "301"},
		"HTTP/1.0, no text": {answer("HTTP/1.0 204\n\n"), Status, 204, "204"},
		"after 103":         {answer("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok), Status, 200, "200"},
		"endless 103":       {answer(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 10)), NotHTTP, 0, "no HTTP answer"},
		"closed":            {closeSilently, Closed, 0, "closed without an answer"},
		"reset":             {reset, Reset, 0, "connection reset"},
		"silence":           {silence, Timeout, 0, "no answer within 500ms"},
		"a slow head": {func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-")
			silence(c)
		}, Timeout, 0, "no answer within 500ms"},
		"cut":           {answer("HTTP/1.1 200 OK\r\nContent-"), Cut, 0, "an answer that breaks off"},
		"cut early":     {answer("HT"), Cut, 0, "an answer that breaks off"},
		"garbage":       {answer("\x00\x01\x02"), NotHTTP, 0, `no HTTP answer ("\x00\x01\x02")`},
		"a bad status":  {answer("HTTP/1.1 2000 OK\r\n\r\n"), NotHTTP, 0, "no HTTP answer"},
		"a long line":   {answer("HTTP/1.1 200 " + strings.Repeat("x", 1<<16)), NotHTTP, 0, "no HTTP answer"},
		"endless lines": {answer("HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 1000)), NotHTTP, 0, "no HTTP answer"},
		"a banner": {func(c net.Conn) {
			_, _ = io.WriteString(c, "220 mail.example.org ESMTP\r\n")
			silence(c)
		}, NotHTTP, 0, `no HTTP answer ("220 mail.example.org ESMTP\r\n")`},
		"an echo": {func(c net.Conn) { _, _ = io.Copy(c, c) }, NotHTTP, 0, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := Target{URL: "http://" + serve(t, test.handle) + "/", Timeout: time.Minute}
			if test.outcome == Timeout {
				target.Timeout = 500 * time.Millisecond
			}
			got := target.Ask(t.Context())
			if got.Outcome != test.outcome || got.Status != test.status || test.text != "" && got.Text != test.text {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestAskSends(t *testing.T) {
	requests := make(chan []string, 1)
	address := serve(t, func(c net.Conn) { requests <- readRequest(c) })
	_, port, _ := net.SplitHostPort(address)
	const common = "User-Agent: nginx-hotswap|Accept: */*|Connection: close"
	for name, test := range map[string]struct {
		target Target
		want   string
	}{
		"address":     {Target{URL: "http://" + address + "/a?b=c"}, "GET /a?b=c HTTP/1.1|Host: " + address},
		"no path":     {Target{URL: "http://" + address}, "GET / HTTP/1.1|Host: " + address},
		"host":        {Target{URL: "http://" + address + "/", Host: "example.org"}, "GET / HTTP/1.1|Host: example.org"},
		"name":        {Target{URL: "http://example.org:" + port + "/"}, "GET / HTTP/1.1|Host: example.org:" + port},
		"unspecified": {Target{URL: "http://0.0.0.0:" + port + "/"}, "GET / HTTP/1.1|Host: localhost"},
		"preamble":    {Target{URL: "http://" + address + "/", Preamble: true}, "PROXY UNKNOWN|GET / HTTP/1.1|Host: " + address},
	} {
		test.target.Ask(t.Context())
		if diff := cmp.Diff(test.want+"|"+common, strings.Join(<-requests, "|")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestAskNobody(t *testing.T) {
	address := freeport.Address(t)
	for _, target := range []Target{
		{URL: "http://" + address}, {URL: "https://" + address}, {TCP: address},
		{URL: "http://localhost/", Unix: filepath.Join(t.TempDir(), "none.sock")},
	} {
		if got := target.Ask(t.Context()); got.Outcome != Refused {
			t.Errorf("%v: %+v", target, got)
		}
	}
}

func TestAskTCP(t *testing.T) {
	if got := (Target{TCP: serve(t, silence), Timeout: time.Minute}).Ask(t.Context()); got.Outcome != Connected {
		t.Errorf("got %+v", got)
	}
}

func TestAskUnix(t *testing.T) {
	dir := t.TempDir()
	short := filepath.Join(dir, "s")
	long := filepath.Join(dir, strings.Repeat("x", 120)) // more than connect(2) takes
	abstract := fmt.Sprintf("@nginx-hotswap-probe-test-%d", os.Getpid())
	for _, name := range []string{short, abstract} {
		l, err := net.Listen("unix", name)
		if err != nil {
			t.Fatal(err)
		}
		serveOn(t, l, answer(ok))
	}
	if err := os.Link(short, long); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{short, long, abstract} {
		if got := (Target{URL: "http://localhost/", Unix: name, Timeout: time.Minute}).Ask(t.Context()); got.Status != 200 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := (Target{URL: "http://localhost/", Unix: long + "x"}).Ask(t.Context()); got.Outcome != Refused {
		t.Errorf("no such socket: %+v", got)
	}
}

// A listener on [::] may be there for IPv4 alone, and a named site too.
func TestAskSecondAddress(t *testing.T) {
	_, port, _ := net.SplitHostPort(serve(t, answer(ok)))
	for _, host := range []string{"[::]", "0.0.0.0", "example.org"} {
		if got := (Target{URL: "http://" + host + ":" + port + "/", Timeout: time.Minute}).Ask(t.Context()); got.Status != 200 {
			t.Errorf("%s: %+v", host, got)
		}
	}
}

// What is given up tells nothing about the server.
func TestAskCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	address := serve(t, func(c net.Conn) {
		readRequest(c)
		cancel()
		silence(c)
	})
	if got := (Target{URL: "http://" + address}).Ask(ctx); got.Asked() {
		t.Errorf("got %+v", got)
	}
}
