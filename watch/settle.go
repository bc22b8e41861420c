package watch

import (
	"maps"
	"slices"
	"time"
)

// A file that is held open gives no event when its writer lets go, so it is looked at again: after writerPause at first, then
// after twice the time before, up to writerPauseMax. Events start this anew.
const (
	writerPause    = 250 * time.Millisecond
	writerPauseMax = 5 * time.Second
)

// settler decides when a path that was touched deserves a poke. It is a state machine over time alone: it has no
// goroutine and no file descriptor, and its only view of the world is look.
type settler struct {
	quiet time.Duration // how long a path must be without events
	limit time.Duration // how long a wait may take
	look  func(path string) (s Stamp, writing bool)
	timer *time.Timer        // fires when the next wait is due
	last  map[string]Stamp   // what the last poke was about; at first, what Follow saw
	waits map[string]*waiter // paths that were touched and have not settled
}

// waiter is a path on its way to a poke.
type waiter struct {
	reason Reason
	began  time.Time     // the first touch
	calm   time.Time     // when the path will have been quiet for long enough
	due    time.Time     // when to look
	pause  time.Duration // the next pause while a writer stays
	seen   *Stamp        // at the last look; nil if events came since
	told   bool          // WriterStays was given
}

func newSettler(quiet, limit time.Duration, look func(string) (Stamp, bool)) *settler {
	timer := time.NewTimer(0)
	timer.Stop()
	return &settler{quiet, limit, look, timer, map[string]Stamp{}, map[string]*waiter{}}
}

// follow replaces the set of paths. Paths that stay keep what they are at.
func (s *settler) follow(set map[string]Stamp) {
	for path := range s.last {
		if _, ok := set[path]; !ok {
			delete(s.last, path)
			delete(s.waits, path)
		}
	}
	for path, stamp := range set {
		if _, ok := s.last[path]; !ok {
			s.last[path] = stamp
		}
	}
	s.arm()
}

// touch notes that something happened to path: the wait for quiet starts, or starts again.
func (s *settler) touch(path string, reason Reason) {
	if _, ok := s.last[path]; !ok {
		return
	}
	now := time.Now()
	w := s.waits[path]
	if w == nil {
		w = &waiter{began: now}
		s.waits[path] = w
	}
	if reason.outranks(w.reason) {
		w.reason = reason
	}
	w.seen, w.pause, w.calm = nil, writerPause, now.Add(s.quiet)
	s.schedule(w, w.calm)
	s.arm()
}

// compare starts a wait for path if stamp, which was read from the disk, is not what the last poke was about. A path that
// waits already is left alone: an event that restarts the wait is an event, not a look.
func (s *settler) compare(path string, stamp Stamp, reason Reason) {
	if s.waits[path] != nil || s.last[path] == stamp {
		return
	}
	s.touch(path, reason)
	if w := s.waits[path]; w != nil {
		w.seen = &stamp
	}
}

// ripe looks at the paths whose time has come and returns the pokes that result, by path.
func (s *settler) ripe() []Poke {
	var pokes []Poke
	now := time.Now()
	for _, path := range slices.Sorted(maps.Keys(s.waits)) {
		w := s.waits[path]
		if now.Before(w.due) {
			continue
		}
		if reason, ok := s.judge(path, w, now); ok {
			pokes = append(pokes, Poke{path, reason})
		}
	}
	s.arm()
	return pokes
}

// judge looks at one path: is it quiet, done with, and different?
func (s *settler) judge(path string, w *waiter, now time.Time) (Reason, bool) {
	stamp, writing := s.look(path)
	if w.seen != nil && *w.seen != stamp {
		w.calm = now.Add(s.quiet) // changed without an event: a mapping, a remote or a layered file system
	}
	w.seen = &stamp
	if !writing && !now.Before(w.calm) {
		delete(s.waits, path)
		due := w.told || w.reason.unconditional() || stamp != s.last[path]
		s.last[path] = stamp
		return w.reason, due
	}
	late := !w.told && !now.Before(w.began.Add(s.limit))
	w.told = w.told || late
	if late {
		s.last[path] = stamp
	}
	s.postpone(w, now)
	return WriterStays, late
}

// postpone sets the time of the next look at a path that is busy.
func (s *settler) postpone(w *waiter, now time.Time) {
	if now.Before(w.calm) {
		s.schedule(w, w.calm)
		return
	}
	s.schedule(w, now.Add(w.pause))
	w.pause = min(2*w.pause, writerPauseMax)
}

// schedule sets the time of the next look, which is not later than the limit until the limit has been told of.
func (s *settler) schedule(w *waiter, at time.Time) {
	if limit := w.began.Add(s.limit); !w.told && at.After(limit) {
		at = limit
	}
	w.due = at
}

// arm sets the timer to the next wait that is due.
func (s *settler) arm() {
	var next time.Time
	for _, w := range s.waits {
		if next.IsZero() || w.due.Before(next) {
			next = w.due
		}
	}
	if next.IsZero() {
		s.timer.Stop()
		return
	}
	s.timer.Reset(time.Until(next))
}
