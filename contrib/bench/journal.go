package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// told is one entry about a cycle.
type told struct {
	sent time.Time     // the kernel stamps it then, and journald takes it down somewhat later
	took time.Duration // of what it tells
}

// journal reads what nginx-hotswap sent to the journal about a cycle, by event.
func (m *machine) journal(ctx context.Context, cycle string) (map[string]told, error) {
	out, err := m.run(ctx, "journalctl --sync; journalctl -q -t nginx-hotswap -o json --output-fields=MESSAGE_ID,NGINX_HOTSWAP_DURATION_USEC,_SOURCE_REALTIME_TIMESTAMP NGINX_HOTSWAP_CYCLE="+cycle)
	if err != nil {
		return nil, err
	}
	return parseJournal(out)
}

// parseJournal takes the first entry of each event.
func parseJournal(text string) (map[string]told, error) {
	names := map[string]string{}
	for _, e := range supervisor.Events {
		names[e.ID] = e.Name
	}
	entries := map[string]told{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		var fields struct {
			ID   string `json:"MESSAGE_ID"`
			Took string `json:"NGINX_HOTSWAP_DURATION_USEC"`
			Sent string `json:"_SOURCE_REALTIME_TIMESTAMP"`
		}
		if err := json.Unmarshal(lines.Bytes(), &fields); err != nil {
			return nil, fmt.Errorf("cannot read the journal: %w: %.200s", err, lines.Text())
		}
		name := names[fields.ID]
		if _, known := entries[name]; known || name == "" {
			continue
		}
		sent, err := strconv.ParseInt(fields.Sent, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("cannot read when the entry %s was sent: %w", name, err)
		}
		took, err := strconv.ParseInt(fields.Took, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("cannot read how long %s took: %w", name, err)
		}
		entries[name] = told{time.UnixMicro(sent), time.Duration(took) * time.Microsecond}
	}
	return entries, lines.Err()
}

// event returns the entry of an event, which must be there.
func event(entries map[string]told, e supervisor.Event) (told, error) {
	t, ok := entries[e.Name]
	if !ok {
		return t, fmt.Errorf("cannot find %s in the journal of the cycle", e.Name)
	}
	return t, nil
}
