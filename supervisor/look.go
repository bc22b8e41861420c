package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// Pauses before something that gave no event is looked at again.
const (
	pauseLock   = 250 * time.Millisecond // for the end of a package transaction
	pauseWriter = time.Second            // for the end of a writer
	pauseUnit   = time.Second            // for the end of a job on the unit
	pauseAttach = time.Minute            // for a master to come, at the most
)

// retryIn looks again after a while, if nothing happens before.
func (s *Supervisor) retryIn(d time.Duration) { s.again = time.After(d) }

// retryLater is retryIn for what nobody tells the end of, each time twice as long,
// until a master is there.
func (s *Supervisor) retryLater() {
	s.backoff = min(max(2*s.backoff, pauseLock), pauseAttach)
	s.retryIn(s.backoff)
}

// look compares what runs with what is on disk and decides.
func (s *Supervisor) look(ctx context.Context) {
	s.adoptWaiting()
	if !s.free(ctx) {
		return
	}
	c, err := s.compare(s.current)
	switch {
	case errors.Is(err, ErrNotRunning):
		s.detach()
		s.notAttached(err)
	case err != nil:
		s.undecided(err)
	case c == nil:
		s.upToDate()
	case !s.mayTry(c):
		c.Close()
	default:
		if _, err := s.cycle(ctx, c, OriginWatch); err != nil {
			s.log.Info(fmt.Sprintf("%s: the cycle is interrupted and will be continued", s.instance.Name), "cause", err)
		}
	}
}

// free reports whether a master is there with which nobody else is busy, nor an
// earlier cycle of ours. That is gone on with first.
func (s *Supervisor) free(ctx context.Context) bool {
	if err := s.resume(ctx); err != nil {
		if ctx.Err() != nil {
			s.log.Info(s.instance.Name + ": the cycle is interrupted, the next start goes on")
			return false
		}
		s.cannotGoOn(err)
		return false
	}
	if _, waits := s.waitsForPerson(ctx); waits {
		return false
	}
	if err := s.refresh(ctx); err != nil {
		s.notAttached(err)
		return false
	}
	tree, err := nginx.ReadTree(s.current.ID)
	if err == nil {
		s.noteLoad(s.current, tree)
	}
	return !s.foreignUpgrade(ctx, tree)
}
