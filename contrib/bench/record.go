package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
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

// told is when nginx-hotswap sent an entry about a cycle to the journal.
func (m *machine) told(ctx context.Context, id string, e supervisor.Event) (time.Time, error) {
	out, err := m.run(ctx, fmt.Sprintf("journalctl --sync; journalctl -q -t nginx-hotswap -o json --output-fields=_SOURCE_REALTIME_TIMESTAMP NGINX_HOTSWAP_CYCLE=%s MESSAGE_ID=%s", id, e.ID))
	if err != nil {
		return time.Time{}, err
	}
	return parseSent(out)
}

// parseSent reads when the one entry was sent: the kernel stamps it then, and
// journald takes it down somewhat later.
func parseSent(journal string) (time.Time, error) {
	var fields struct {
		Sent string `json:"_SOURCE_REALTIME_TIMESTAMP"`
	}
	// Unmarshal refuses a second entry.
	if err := json.Unmarshal([]byte(strings.TrimSpace(journal)), &fields); err != nil {
		return time.Time{}, fmt.Errorf("cannot find the entry in the journal: %w: %.200s", err, journal)
	}
	micros, err := strconv.ParseInt(fields.Sent, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot read when the entry was sent: %w", err)
	}
	return time.UnixMicro(micros), nil
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
