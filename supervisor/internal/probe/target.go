package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// DefaultTimeout bounds a single question.
const DefaultTimeout = 2 * time.Second

// Target is one question to a server. Exactly one of URL, TCP and Exec is set.
type Target struct {
	// URL is what to GET. Its host may be an address, to which the
	// connection goes, or the name of a site, see the package's comment.
	URL string `json:"url,omitempty"`
	// Host is the site that is meant where the URL has only an address: for
	// the Host field, for SNI, and the name that a certificate has to fit.
	Host string `json:"host,omitempty"`
	// Unix is the unix socket to connect to instead of the URL's host, as a
	// name that can be opened here, or @name.
	Unix string `json:"unix,omitempty"`
	// Preamble announces the connection with a PROXY protocol line, without
	// which a listener with `proxy_protocol` closes it.
	Preamble bool `json:"preamble,omitempty"`
	// TCP is an address to connect to, nothing more.
	TCP string `json:"tcp,omitempty"`
	// Exec is a program, as an absolute path, and its arguments. Whether it
	// may be run at all is for the caller to check.
	Exec []string `json:"exec,omitempty"`
	// ExpectStatus is the only good status; 0 accepts all below 500.
	ExpectStatus int           `json:"expect_status,omitempty"`
	Timeout      time.Duration `json:"timeout,omitempty"` // default DefaultTimeout
	// In is where connections are made and programs run; nil is our own
	// network namespace.
	In *Namespace `json:"-"`
}

// Kind is http, https, tcp or exec.
func (t Target) Kind() string {
	switch {
	case len(t.Exec) > 0:
		return "exec"
	case t.TCP != "":
		return "tcp"
	}
	scheme, _, _ := strings.Cut(t.URL, "://")
	return strings.ToLower(scheme)
}

// String names the target as messages do: "https 127.0.0.1:443 (example.org)".
func (t Target) String() string {
	switch t.Kind() {
	case "exec":
		return "exec " + strings.Join(t.Exec, " ")
	case "tcp":
		return "tcp " + t.TCP
	}
	u, err := url.Parse(t.URL)
	if err != nil {
		return t.URL
	}
	where := u.Host
	if t.Unix != "" {
		where = "unix:" + t.Unix
	}
	if path := u.RequestURI(); path != "/" {
		where += path
	}
	if t.Host != "" {
		where += " (" + t.Host + ")"
	}
	return t.Kind() + " " + where
}

// Valid says what is wrong with a target that somebody has written.
func (t Target) Valid() error {
	set := 0
	for _, is := range []bool{t.URL != "", t.TCP != "", len(t.Exec) > 0} {
		if is {
			set++
		}
	}
	switch {
	case set != 1:
		return errors.New("a probe has exactly one of URL, TCP and Exec")
	case t.ExpectStatus != 0 && (t.ExpectStatus < 200 || t.ExpectStatus > 599):
		return fmt.Errorf("cannot expect status %d", t.ExpectStatus)
	case t.ExpectStatus != 0 && t.URL == "":
		return errors.New("a status can only be expected of a URL")
	case (t.Host != "" || t.Unix != "") && t.URL == "":
		return errors.New("a host can only be asked for with a URL")
	case t.Host != "" && !isHost(t.Host):
		return fmt.Errorf("not a host: %q", t.Host)
	case t.Timeout < 0:
		return fmt.Errorf("cannot wait for %v", t.Timeout)
	}
	return t.validAddress()
}

func (t Target) validAddress() error {
	switch t.Kind() {
	case "exec":
		if !filepath.IsAbs(t.Exec[0]) {
			return fmt.Errorf("not an absolute path: %q", t.Exec[0])
		}
	case "tcp":
		if _, port, err := net.SplitHostPort(t.TCP); err != nil || !isPort(port) {
			return fmt.Errorf("not HOST:PORT: %q", t.TCP)
		}
	case "http", "https":
		u, err := url.Parse(t.URL)
		if err != nil {
			return fmt.Errorf("cannot use URL: %w", err)
		}
		if u.Hostname() == "" || u.Port() != "" && !isPort(u.Port()) || u.User != nil {
			return fmt.Errorf("not http[s]://HOST[:PORT]/PATH: %q", t.URL)
		}
	default:
		return fmt.Errorf("not an http or https URL: %q", t.URL)
	}
	return nil
}

// Ask asks once. It returns within the timeout, or when ctx ends.
func (t Target) Ask(ctx context.Context) Answer {
	limit := cmp.Or(t.Timeout, DefaultTimeout)
	asking, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var a Answer
	switch err := t.Valid(); {
	case err != nil:
		a = unasked(err)
	case t.Kind() == "exec":
		a = t.execute(asking)
	default:
		a = t.connect(asking)
	}
	if a.Outcome == Timeout {
		a.Text = fmt.Sprintf("no answer within %v", limit)
	}
	if ctx.Err() != nil && a.Outcome != Status {
		a = unasked(context.Cause(ctx)) // it was not given its time
	}
	return a
}

// Accepts reports whether an answer is a good one.
func (t Target) Accepts(a Answer) bool {
	switch a.Outcome {
	case Status:
		return a.Status == t.ExpectStatus || t.ExpectStatus == 0 && a.Status < 500
	case Connected:
		return t.Kind() == "tcp"
	}
	return a.Outcome == exited(0)
}
