package main

import (
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// began returns when a phase of a cycle was entered first, or the zero time.
func began(r *supervisor.Record, phase supervisor.Phase) time.Time {
	for _, s := range r.Steps {
		if s.Phase == phase {
			return s.Started
		}
	}
	return time.Time{}
}

// lastForward is the phase from which a cycle went back.
func lastForward(r *supervisor.Record) supervisor.Phase {
	last := supervisor.Idle
	for _, s := range r.Steps {
		switch s.Phase {
		case supervisor.Reviving, supervisor.Returning, supervisor.Dismissing, supervisor.Restoring:
			return last
		}
		last = s.Phase
	}
	return last
}
