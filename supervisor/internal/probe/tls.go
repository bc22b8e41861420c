package probe

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"time"
)

// tlsConfig looks at a server rather than trusting it: whoever issued its
// certificate is not our matter, and neither is how old its protocol is.
func (t Target) tlsConfig() *tls.Config {
	return &tls.Config{
		ServerName:         nameOf(t.host()),
		InsecureSkipVerify: true,
		MinVersion:         tls.VersionTLS10,
		NextProtos:         []string{"http/1.1"},
	}
}

// flaw says what is wrong with a certificate, "" for nothing. Without a name
// only its period counts.
func flaw(leaf *x509.Certificate, name string, now time.Time) string {
	switch {
	case now.Before(leaf.NotBefore):
		return "is not valid before " + leaf.NotBefore.UTC().Format(time.DateOnly)
	case now.After(leaf.NotAfter):
		return "expired on " + leaf.NotAfter.UTC().Format(time.DateOnly)
	case name != "" && leaf.VerifyHostname(name) != nil:
		return "is not for " + name
	}
	return ""
}

func fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}

// handshakeFailure tells a server that refuses from one that is no TLS server
// and from a connection that is gone.
func handshakeFailure(err error) Answer {
	if alert := alertOf(err); alert != "" {
		return Answer{Outcome: NoHandshake, Text: "a refused TLS handshake (" + alert + ")"}
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return Answer{Outcome: NotTLS, Text: "no TLS"}
	}
	if a := failure(err); a.Asked() {
		return a
	}
	return Answer{Outcome: NoHandshake, Text: "no TLS handshake (" + err.Error() + ")"}
}
