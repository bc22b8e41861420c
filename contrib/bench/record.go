package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// record reads what nginx-hotswap has written down of a cycle.
func (m *machine) record(ctx context.Context, id string) (*supervisor.Record, error) {
	out, err := m.run(ctx, "nginx-hotswap history --json "+id)
	if err != nil {
		return nil, err
	}
	var list []*supervisor.Record
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 1 {
		return nil, fmt.Errorf("cannot read the record: %w: %s", errors.Join(err, errors.New("not one")), out)
	}
	return list[0], nil
}

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
