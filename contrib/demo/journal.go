package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// entry is one line of the journal.
type entry struct {
	at      time.Time
	message string
	cursor  string
}

// tellJournal tells what nginx-hotswap has written since the last call.
func (m *machine) tellJournal(ctx context.Context) error {
	script := "journalctl --sync; journalctl -q -t nginx-hotswap -o json --output-fields=MESSAGE"
	if m.cursor != "" {
		script += " --after-cursor='" + m.cursor + "'"
	}
	out, err := m.run(ctx, script)
	if err != nil {
		return err
	}
	entries, err := parseJournal(strings.NewReader(out))
	for _, e := range entries {
		m.story.entry(e)
		m.cursor = e.cursor
	}
	return err
}

// parseJournal reads the output of journalctl -o json.
func parseJournal(r io.Reader) ([]entry, error) {
	var entries []entry
	for d := json.NewDecoder(r); ; {
		var fields struct {
			Cursor  string `json:"__CURSOR"`
			Time    string `json:"__REALTIME_TIMESTAMP"`
			Message string `json:"MESSAGE"`
		}
		err := d.Decode(&fields)
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return entries, fmt.Errorf("cannot read the journal: %w", err)
		}
		micros, err := strconv.ParseInt(fields.Time, 10, 64)
		if err != nil {
			return entries, fmt.Errorf("cannot read the journal: %w", err)
		}
		entries = append(entries, entry{time.UnixMicro(micros), fields.Message, fields.Cursor})
	}
}
