package traffic

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// Kind is a kind of client.
type Kind string

// The kinds of client, as reports and the command name them.
const (
	New       Kind = "new"       // a fresh TCP connection for each request
	KeepAlive Kind = "keepalive" // one connection for many requests
	Download  Kind = "download"  // long bodies, read slowly; 8 MiB or more unless the listener has a small sndbuf=
	Stream    Kind = "stream"    // an upgraded connection that echoes
	Unix      Kind = "unix"      // a fresh unix-socket connection for each request
)

// Target is a group of equal clients and what they ask for.
type Target struct {
	URL          string        // what to get: http://127.0.0.1:8080/path
	Unix         string        // path of a unix socket to connect to, instead of the URL's host
	Kind         Kind          // default New
	Clients      int           // how many; default by kind, at most 1024
	Interval     time.Duration // each client's pause between requests (of a Stream: between messages); default by kind, at least 100 µs
	Rate         int           // bytes per second that a Download reads; default 256 KiB/s
	ExpectStatus int           // default 200, of a Stream 101
	ExpectSHA256 string        // of the body, in hexadecimal; empty: the content is not checked
	Size         int64         // without ExpectSHA256: the body has to be Content(path of URL, Size); 0: any
	Hold         time.Duration // planned life of a Stream; 0: until the load stops
}

const (
	maxClients  = 1024
	minInterval = 100 * time.Microsecond
)

// defaults holds what a Target of each kind has where it says nothing. New makes
// at most 4,000 connections a second.
var defaults = map[Kind]Target{
	New:       {Clients: 8, Interval: 2 * time.Millisecond, ExpectStatus: 200},
	Unix:      {Clients: 4, Interval: 5 * time.Millisecond, ExpectStatus: 200},
	KeepAlive: {Clients: 8, Interval: 5 * time.Millisecond, ExpectStatus: 200},
	Download:  {Clients: 4, Interval: 10 * time.Millisecond, ExpectStatus: 200, Rate: 256 << 10},
	Stream:    {Clients: 8, Interval: 20 * time.Millisecond, ExpectStatus: 101},
}

// complete fills in the defaults, the expected sum among them, and refuses what
// cannot be run.
func (t Target) complete() (Target, error) {
	if t.Kind == "" {
		t.Kind = New
	}
	d, ok := defaults[t.Kind]
	if !ok {
		return t, fmt.Errorf("cannot use kind %q: use new, keepalive, download, stream or unix", t.Kind)
	}
	if t.Clients == 0 {
		t.Clients = d.Clients
	}
	if t.Interval == 0 {
		t.Interval = d.Interval
	}
	if t.Rate == 0 {
		t.Rate = d.Rate
	}
	if t.ExpectStatus == 0 {
		t.ExpectStatus = d.ExpectStatus
	}
	if err := t.check(); err != nil {
		return t, err
	}
	t.ExpectSHA256 = strings.ToLower(t.ExpectSHA256)
	if t.ExpectSHA256 == "" && t.Size > 0 {
		t.ExpectSHA256 = ContentSHA256(t.path(), t.Size)
	}
	return t, nil
}

func (t Target) check() error {
	u, err := url.Parse(t.URL)
	switch {
	case err != nil:
		return fmt.Errorf("cannot use URL: %w", err)
	case u.Scheme != "http" || u.Host == "":
		return fmt.Errorf("cannot use URL %q: it must be http://HOST[:PORT]/PATH", t.URL)
	case t.Kind == Unix && t.Unix == "":
		return fmt.Errorf("cannot use kind unix without the path of a socket (%s)", t.URL)
	case t.Clients < 0 || t.Clients > maxClients:
		return fmt.Errorf("cannot use %d clients: use 1 to %d", t.Clients, maxClients)
	case t.Interval < minInterval:
		return fmt.Errorf("cannot use interval %v: use %v or more", t.Interval, minInterval)
	case t.Rate < 0 || t.Size < 0 || t.Hold < 0:
		return fmt.Errorf("cannot use a negative rate, size or hold (%s)", t.URL)
	}
	if sum, err := hex.DecodeString(t.ExpectSHA256); err != nil || len(sum) != 0 && len(sum) != 32 {
		return fmt.Errorf("cannot use SHA-256 %q: it must be 64 hexadecimal digits", t.ExpectSHA256)
	}
	return nil
}

// address returns the network and the address that the target's clients dial.
func (t Target) address() (network, address string) {
	if t.Unix != "" {
		return "unix", t.Unix
	}
	u, err := url.Parse(t.URL)
	if err != nil {
		return "tcp", "" // check has refused it
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	return "tcp", net.JoinHostPort(u.Hostname(), port)
}

// path returns the URL's path, the seed of [Content].
func (t Target) path() string {
	u, err := url.Parse(t.URL)
	if err != nil || u.Path == "" {
		return "/"
	}
	return u.Path
}
