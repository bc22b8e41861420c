package supervisor

import (
	"context"
	"errors"
	"slices"
)

// newerWaits reports whether a newer candidate is there that could be tried at
// once, by itself or because somebody has asked: then the old master, which only
// waits, is in its way.
func (c *cycle) newerWaits(ctx context.Context) bool {
	newer, err := c.s.compare(c.old)
	if err != nil || newer == nil {
		return false
	}
	defer newer.Close()
	key := newer.build.Key()
	if key == c.rec.Successor.Key() || key == c.newer || !c.s.askedFor(newer) && c.s.objection(newer) != "" {
		return false
	}
	err = c.s.inspect(ctx, c.old, newer)
	if err == nil {
		err = c.s.testConfig(ctx, c.old)
	}
	if refusal, ok := errors.AsType[*Refusal](err); !ok || refusal.Code() != ExitDeferred {
		c.newer = key // it is looked at once
	}
	if err != nil {
		return false
	}
	c.s.audit().Cycle(EventPending, c.rec, 0, "a newer %s %s waits: old master %d goes before KeepOldSec= is over", newer.path, newer.build.Short(), c.old.PID)
	return true
}

// askedFor reports whether somebody waits for the end of the cycle that runs to have
// this candidate tried.
func (s *Supervisor) askedFor(newer *candidate) bool {
	return slices.ContainsFunc(s.later, func(r request) bool {
		if r.Action != "" && r.Action != ActionUpgrade {
			return false
		}
		_, refused := s.mayServe(r, newer)
		return !refused
	})
}
