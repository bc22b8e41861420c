package systemd

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// Back-off between attempts to reach the bus again.
const (
	firstRetry = 250 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// Changes gives the names of units whose state changed: a property of the unit,
// a job, its coming and going, and all of them after a daemon-reload. Patterns
// are unit names or globs (nginx@*.service). Several changes of one unit that
// nobody has read yet are one. It is a hint to look again, no more: it comes
// late, doubled or, where systemd itself is silent (a PID file that is
// re-read, see WaitMainPID), not at all.
//
// When the bus goes, it is looked for again, and once it is back every unit is
// named once. Without a bus the feed goes over PID 1's private socket (root), or
// stays silent. The channel is closed when the context ends. The error is about
// a malformed pattern.
func Changes(ctx context.Context, patterns []string) (<-chan string, error) {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return nil, fmt.Errorf("cannot watch units %q: %w", p, err)
		}
	}
	f := &feed{patterns: slices.Clone(patterns), out: make(chan string)}
	go f.run(ctx)
	return f.out, nil
}

// feed belongs to the goroutine that runs it.
type feed struct {
	patterns []string
	out      chan string
	pending  []string // changed and not yet handed over, oldest first
}

// run connects, serves while the connection lasts, and connects again.
func (f *feed) run(ctx context.Context) {
	defer close(f.out)
	retry := firstRetry
	for again := false; ctx.Err() == nil; again = true {
		if s := newSubscription(ctx, f.patterns); s != nil {
			retry = firstRetry
			if again {
				for _, u := range s.units() {
					f.note(u)
				}
			}
			f.serve(ctx, s.changed(ctx))
			s.close()
		}
		f.idle(ctx, retry)
		retry = min(2*retry, lastRetry)
	}
}

// serve takes changes in and hands them out until the subscription ends.
func (f *feed) serve(ctx context.Context, changed <-chan string) {
	for {
		out, next := f.next()
		select {
		case u, ok := <-changed:
			if !ok {
				return
			}
			f.note(u)
		case out <- next:
			f.pending = f.pending[1:]
		case <-ctx.Done():
			return
		}
	}
}

// idle waits, and goes on handing out.
func (f *feed) idle(ctx context.Context, d time.Duration) {
	over := time.After(d)
	for {
		out, next := f.next()
		select {
		case out <- next:
			f.pending = f.pending[1:]
		case <-over:
			return
		case <-ctx.Done():
			return
		}
	}
}

// next is what to hand out; the channel is nil when there is nothing.
func (f *feed) next() (chan<- string, string) {
	if len(f.pending) == 0 {
		return nil, ""
	}
	return f.out, f.pending[0]
}

func (f *feed) note(unit string) {
	if !slices.Contains(f.pending, unit) {
		f.pending = append(f.pending, unit)
	}
}

// matchUnit reports whether a unit's name is among the patterns.
func matchUnit(patterns []string, unit string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, unit)
		return ok
	})
}

// isGlob reports whether a pattern is more than a name.
func isGlob(pattern string) bool {
	return strings.ContainsAny(pattern, `*?[\`)
}
