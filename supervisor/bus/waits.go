package bus

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

var errGone = errors.New("the instance is not looked after any more")

// waits are the calls that wait for an instance. One that is gone answers nobody.
type waits struct {
	mu  sync.Mutex
	all map[*wait]bool
}

type wait struct {
	instance *supervisor.Supervisor
	cancel   context.CancelCauseFunc
}

// whileThere gives a context that ends with the instance.
func (s *Server) whileThere(ctx context.Context, instance *supervisor.Supervisor) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &wait{instance, cancel}
	s.waits.mu.Lock()
	if s.waits.all == nil {
		s.waits.all = make(map[*wait]bool)
	}
	s.waits.all[w] = true
	s.waits.mu.Unlock()
	s.endWaits() // it may have gone since it was found
	return ctx, func() {
		s.waits.mu.Lock()
		delete(s.waits.all, w)
		s.waits.mu.Unlock()
		cancel(nil)
	}
}

// endWaits ends those for instances that are gone.
func (s *Server) endWaits() {
	s.waits.mu.Lock()
	defer s.waits.mu.Unlock()
	there := s.Instances() // asked before, it might not know the newest
	for w := range s.waits.all {
		if !slices.Contains(there, w.instance) {
			w.cancel(errGone)
		}
	}
}
