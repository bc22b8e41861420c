package probe

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

const (
	defaultLimit  = 5 * time.Second // for all questions of a check, too
	parallel      = 8               // listeners; questions of a check
	parallelNames = 4               // of one listener
	repeats       = 3
)

// Learner finds out what a server answers before it is upgraded.
type Learner struct {
	In *Namespace
	// Root leads to the server's root directory, such as /proc/PID/root; it
	// is where unix sockets are looked for. It must last as long as what is
	// learned.
	Root string
	// Names are server names to ask for at every listener, beside the
	// listener's own site. Patterns are left out. How many there may be is for
	// the caller to say: all questions together have 5 s.
	Names []string

	limit time.Duration // for all questions, default defaultLimit
}

// Learn asks each listener for "/", in the protocol that it speaks, and each of
// the names there, three times. Where the answers agree they are expected from
// then on. What is slow, silent, unsteady, not HTTP or not TCP is left out.
//
// A listener that turns out not to speak HTTP is asked no further: what is
// behind it, a database for instance, may count such visits.
func (l Learner) Learn(ctx context.Context, listeners []nginx.Listener) *Differential {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(l.limit, defaultLimit))
	defer cancel()
	targets := l.targets(listeners)
	found := make([]Differential, len(targets))
	inParallel(parallel, targets, func(i int, t Target) { found[i] = l.listener(ctx, t) })
	d := &Differential{In: l.In}
	for _, f := range found {
		d.Expectations = append(d.Expectations, f.Expectations...)
		d.LeftOut = append(d.LeftOut, f.LeftOut...)
	}
	return d
}

// inParallel does something with each element, a few at a time.
func inParallel[T any](limit int, list []T, do func(int, T)) {
	var group errgroup.Group
	group.SetLimit(limit)
	for i, t := range list {
		group.Go(func() error {
			do(i, t)
			return nil
		})
	}
	_ = group.Wait() // none of them fails
}

// targets returns one question for each address: sockets with reuseport share
// theirs.
func (l Learner) targets(listeners []nginx.Listener) []Target {
	var found []Target
	for _, listener := range listeners {
		t := Target{In: l.In}
		switch listener.Network {
		case "tcp":
			t.URL = "http://" + listener.Address + "/"
			if addr, err := netip.ParseAddrPort(listener.Address); err == nil {
				t.URL = (&url.URL{Scheme: "http", Host: addr.String(), Path: "/"}).String() // a zone is escaped
			}
		case "unix":
			t.URL, t.Unix = "http://localhost/", listener.Address
			if !strings.HasPrefix(t.Unix, "@") {
				t.Unix = path.Join("/", l.Root, t.Unix)
			}
		default:
			continue
		}
		if !slices.ContainsFunc(found, func(f Target) bool { return f.URL == t.URL && f.Unix == t.Unix }) {
			found = append(found, t)
		}
	}
	return found
}

// names returns those that can be asked for.
func (l Learner) names() []string {
	names := slices.DeleteFunc(slices.Clone(l.Names), func(n string) bool { return nameOf(n) == "" })
	slices.Sort(names)
	return slices.Compact(names)
}

// listener learns one listener: its own site and each name.
func (l Learner) listener(ctx context.Context, t Target) (d Differential) {
	t, a := dialect(ctx, t)
	if !speaksHTTP(a) {
		d.LeftOut = append(d.LeftOut, t.String()+": "+a.Text)
		return d
	}
	names := append([]string{""}, l.names()...)
	learned := make([]Expectation, len(names))
	agreed := make([]bool, len(names))
	inParallel(parallelNames, names, func(i int, name string) {
		t := t
		t.Host = name
		learned[i], agreed[i] = learn(ctx, t)
	})
	for i, e := range learned {
		if agreed[i] {
			d.Expectations = append(d.Expectations, e)
		} else {
			d.LeftOut = append(d.LeftOut, e.Target.String()+": no three answers agree")
		}
	}
	return d
}

// learn asks until the answers differ.
func learn(ctx context.Context, t Target) (e Expectation, agreed bool) {
	e = Expectation{Target: t, Want: t.Ask(ctx)}
	if !speaksHTTP(e.Want) {
		return e, false
	}
	for range repeats - 1 {
		a := t.Ask(ctx)
		if a.Outcome != e.Want.Outcome && !(a.closed() && e.Want.closed()) || a.Status != e.Want.Status || (a.Leaf == "") != (e.Want.Leaf == "") {
			return e, false
		}
	}
	return e, true
}

// speaksHTTP reports whether an answer is one that an HTTP server gives of its
// own will.
func speaksHTTP(a Answer) bool { return a.http() || a.closed() || a.Outcome == NoHandshake }

// dialect finds out how a listener is to be asked, and returns an answer to
// that. An answer that is not HTTP means that it is not to be asked.
func dialect(ctx context.Context, t Target) (Target, Answer) {
	a := t.Ask(ctx)
	if a.closed() {
		return closedDialect(ctx, t, a)
	}
	return secureDialect(ctx, t, a)
}

// secureDialect tries TLS where the answer to a plain request hints at it:
// nginx says 400 then, or redirects with `error_page 497`.
func secureDialect(ctx context.Context, t Target, plain Answer) (Target, Answer) {
	if plain.Status != 400 && plain.Outcome != NoHandshake && !leadsBack(t, plain.location) {
		return t, plain
	}
	secure := t
	secure.URL = "https" + strings.TrimPrefix(t.URL, "http")
	a := secure.Ask(ctx)
	if a.http() || a.Leaf != "" || a.Outcome == NoHandshake {
		return secure, a
	}
	return t, plain
}

// closedDialect looks at a listener that closes a plain request. One that
// answers behind a PROXY protocol line is to be asked so; HTTP that has not
// expected it says 400, and closes by its configuration. What closes again may
// be anything.
func closedDialect(ctx context.Context, t Target, plain Answer) (Target, Answer) {
	proxied := t
	proxied.Preamble = true
	a := proxied.Ask(ctx)
	if !a.http() {
		a.Outcome, a.Text = NotHTTP, plain.Text
		return t, a
	}
	if a.Status != 400 {
		return secureDialect(ctx, proxied, a)
	}
	if secure, a := secureDialect(ctx, proxied, a); secure.Kind() == "https" {
		return secure, a
	}
	return t, plain
}

// leadsBack reports whether a redirect goes to the same port with HTTPS.
func leadsBack(t Target, location string) bool {
	to, err := url.Parse(location)
	if err != nil || to.Scheme != "https" || t.Unix != "" {
		return false
	}
	_, port, err := net.SplitHostPort(t.addresses()[0])
	return err == nil && port == cmp.Or(to.Port(), "443")
}
