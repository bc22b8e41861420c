package probe

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestAskHTTPS(t *testing.T) {
	valid, _, _ := certificate(t, soon(), "example.org")
	expired, _, _ := certificate(t, past(), "example.org")
	early, _, _ := certificate(t, time.Now().Add(100*time.Hour), "example.org")
	with := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	refusing := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return nil, io.ErrClosedPipe // an alert, as ssl_reject_handshake
	}}
	demanding := with(valid)
	demanding.ClientAuth = tls.RequireAnyClientCert // TLS 1.3 refuses after the handshake
	old := with(valid)
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS10
	tests := map[string]struct {
		handle  func(net.Conn)
		host    string
		outcome Outcome
		status  int
		text    string
	}{
		"valid":             {over(with(valid), answer(ok)), "example.org", Status, 200, "200"},
		"no name":           {over(with(valid), answer(ok)), "", Status, 200, "200"},
		"500":               {over(with(valid), answer("HTTP/1.1 500 x\r\n\r\n")), "", Status, 500, "500"},
		"another name":      {over(with(valid), answer(ok)), "example.com", Certificate, 200, "200 with a certificate that is not for example.com"},
		"expired":           {over(with(expired), answer(ok)), "", Certificate, 200, "200 with a certificate that expired on "},
		"not yet":           {over(with(early), answer(ok)), "", Certificate, 200, "200 with a certificate that is not valid before "},
		"closed in TLS":     {over(with(valid), closeSilently), "", Closed, 0, "closed without an answer"},
		"expired, closed":   {over(with(expired), closeSilently), "", Closed, 0, "closed without an answer"},
		"refused":           {over(refusing, answer(ok)), "", NoHandshake, 0, "a refused TLS handshake ("},
		"wants certificate": {over(demanding, answer(ok)), "", NoHandshake, 0, "a refused TLS handshake ("},
		"old protocol":      {over(old, answer(ok)), "", Status, 200, "200"},
		"plain":             {answer(bad400), "", NotTLS, 0, "no TLS"},
		"closed":            {func(c net.Conn) { readSome(c) }, "", Closed, 0, "closed without an answer"},
		"reset":             {reset, "", Reset, 0, "connection reset"},
		"silence":           {silence, "", Timeout, 0, "no answer within 200ms"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := Target{URL: "https://" + serve(t, test.handle) + "/", Host: test.host, Timeout: time.Minute}
			if test.outcome == Timeout {
				target.Timeout = 200 * time.Millisecond
			}
			got := target.Ask(t.Context())
			if got.Outcome != test.outcome || got.Status != test.status || !strings.HasPrefix(got.Text, test.text) {
				t.Errorf("got %+v", got)
			}
			if handshake := got.http() || name == "closed in TLS" || name == "expired, closed" || name == "wants certificate"; handshake != (got.Leaf != "") {
				t.Errorf("leaf %q", got.Leaf)
			}
		})
	}
}

// readSome takes what arrives first, which on loopback is all of a ClientHello.
func readSome(c net.Conn) { _, _ = c.Read(make([]byte, 1<<14)) }

func TestAskSNI(t *testing.T) {
	valid, _, _ := certificate(t, soon(), "example.org")
	names := make(chan string, 1)
	config := &tls.Config{Certificates: []tls.Certificate{valid}, GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		names <- hello.ServerName
		return nil, nil
	}}
	address := serve(t, over(config, answer(ok)))
	_, port, _ := net.SplitHostPort(address)
	for want, target := range map[string]Target{
		"":                {URL: "https://" + address},
		"example.org":     {URL: "https://" + address, Host: "example.org:443"},
		"www.example.org": {URL: "https://www.example.org:" + port},
	} {
		target.Ask(t.Context())
		if got := <-names; got != want {
			t.Errorf("%v: SNI %q", target, got)
		}
	}
}
