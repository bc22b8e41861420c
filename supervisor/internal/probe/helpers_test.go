package probe

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// serve runs a server for the test and returns its address. The handler has
// each connection to itself; it is closed afterwards.
func serve(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, l, handle)
	return l.Addr().String()
}

func serveOn(t *testing.T, l net.Listener, handle func(net.Conn)) {
	t.Cleanup(func() { l.Close() })
	go func() {
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
	}()
}

// readRequest returns the request line and the fields, or nothing when the
// client has gone or speaks TLS.
func readRequest(conn io.Reader) []string {
	br := bufio.NewReader(conn)
	if first, err := br.Peek(1); err != nil || first[0] == 0x16 {
		return nil
	}
	lines := bufio.NewScanner(br)
	var found []string
	for lines.Scan() && lines.Text() != "" {
		found = append(found, lines.Text())
	}
	return found
}

// answer reads a request and sends the text.
func answer(text string) func(net.Conn) {
	return func(conn net.Conn) {
		readRequest(conn)
		_, _ = io.WriteString(conn, text)
	}
}

// closeSilently takes the request and closes, as `return 444` does.
func closeSilently(conn net.Conn) { readRequest(conn) }

// reset closes with most of the request unread.
func reset(conn net.Conn) {
	_, _ = conn.Read(make([]byte, 1))
	_ = conn.(*net.TCPConn).SetLinger(0)
}

// silence reads until the client leaves.
func silence(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

// certificate makes one that is valid until the given time.
func certificate(t *testing.T, until time.Time, names ...string) (cert tls.Certificate, certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: "test"},
		DNSNames:     names,
		NotBefore:    until.Add(-48 * time.Hour),
		NotAfter:     until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	if cert, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	return cert, certPEM, keyPEM
}

// over puts TLS before a handler.
func over(config *tls.Config, handle func(net.Conn)) func(net.Conn) {
	return func(raw net.Conn) {
		conn := tls.Server(raw, config)
		defer conn.Close()
		if conn.Handshake() == nil {
			handle(conn)
		}
	}
}

// soon and past are ends of certificates.
func soon() time.Time { return time.Now().Add(time.Hour) }
func past() time.Time { return time.Now().Add(-time.Hour) }

// texts returns the mismatches as sentences.
func texts(found []Mismatch) string {
	var lines []string
	for _, m := range found {
		lines = append(lines, m.String())
	}
	return strings.Join(lines, "\n")
}
