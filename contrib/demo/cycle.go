package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// statusPoll is the interval of the looks at the status.
const statusPoll = 250 * time.Millisecond

// status asks nginx-hotswap for its one instance.
func (m *machine) status(ctx context.Context) (supervisor.Status, error) {
	out, err := m.box.Status(ctx)
	if err != nil {
		return supervisor.Status{}, err
	}
	var list []supervisor.Status
	err = json.Unmarshal([]byte(out), &list)
	if err == nil && len(list) != 1 {
		err = fmt.Errorf("%d instances instead of one", len(list))
	}
	if err != nil {
		return supervisor.Status{}, fmt.Errorf("cannot read the status: %w: %s", err, out)
	}
	return list[0], nil
}

// awaitAttached waits until the instance is looked after: a binary that is
// replaced earlier would be left alone, as it was there before nginx-hotswap.
func (m *machine) awaitAttached(ctx context.Context) error {
	return m.await(ctx, "nginx-hotswap does not attach to nginx", func(s supervisor.Status) bool { return s.MainPID != 0 })
}

// awaitCycle waits for the end of a cycle and tells what the journal says of it.
func (m *machine) awaitCycle(ctx context.Context) error {
	return m.await(ctx, "the cycle does not end", func(s supervisor.Status) bool {
		return s.Last != nil && s.Phase == supervisor.Idle && s.MainPID != 0
	})
}

func (m *machine) await(ctx context.Context, otherwise string, reached func(supervisor.Status) bool) error {
	late := time.After(cycleLimit)
	for {
		s, err := m.status(ctx)
		if err != nil {
			return err
		}
		if err := m.tellJournal(ctx); err != nil || reached(s) {
			return err
		}
		select {
		case <-late:
			return fmt.Errorf("%s within %v; it is in phase %s %s", otherwise, cycleLimit, s.Phase, s.Reason)
		default:
		}
		if err := pause(ctx, statusPoll); err != nil {
			return err
		}
	}
}
