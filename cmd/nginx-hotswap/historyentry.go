package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/cmd/nginx-hotswap/report"
)

// journalEntry is a line of journalctl --output=json. A field may be a text, null
// when it is long, an array of bytes when it is no text, and an array of all that
// when the entry has it more than once.
type journalEntry struct {
	Time       string          `json:"__REALTIME_TIMESTAMP"`
	Message    json.RawMessage `json:"MESSAGE"`
	Priority   json.RawMessage `json:"PRIORITY"`
	Identifier json.RawMessage `json:"SYSLOG_IDENTIFIER"`
	Command    json.RawMessage `json:"_COMM"`
	PID        json.RawMessage `json:"_PID"`
}

// parseJournal returns the lines up to the first one that cannot be read.
func parseJournal(r io.Reader) (lines []report.LogLine, err error) {
	for d := json.NewDecoder(r); ; {
		var e journalEntry
		err := d.Decode(&e)
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
		line, err := e.line()
		if err != nil {
			return lines, err
		}
		lines = append(lines, line)
	}
}

func (e journalEntry) line() (report.LogLine, error) {
	micros, err := strconv.ParseInt(e.Time, 10, 64)
	if err != nil {
		return report.LogLine{}, fmt.Errorf("a line has no time: %w", err)
	}
	l := report.LogLine{At: time.UnixMicro(micros), Message: shorten(fieldText(e.Message), longestMessage), Priority: 6}
	if n, err := strconv.Atoi(fieldText(e.Priority)); err == nil {
		l.Priority = n
	}
	if l.Source = shorten(fieldText(e.Identifier), longestSource); l.Source == "" {
		l.Source = shorten(fieldText(e.Command), longestSource)
	}
	if pid := fieldText(e.PID); pid != "" {
		l.Source += "[" + shorten(pid, longestSource) + "]"
	}
	return l, nil
}

const (
	longestMessage = 2000
	longestSource  = 60
)

// fieldText is the value of a field for people.
func fieldText(raw json.RawMessage) string {
	var text string
	if len(raw) == 0 {
		return ""
	}
	if string(raw) == "null" {
		return "(too long for this page)"
	}
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var several []json.RawMessage
	if json.Unmarshal(raw, &several) != nil {
		return "(not a text)"
	}
	if text, ok := bytesText(several); ok {
		return text
	}
	var all []string
	for _, one := range several {
		if len(one) > 0 && one[0] == '[' {
			var inner []json.RawMessage
			_ = json.Unmarshal(one, &inner) // it is an array: that has been seen
			text, _ := bytesText(inner)
			all = append(all, text)
			continue
		}
		all = append(all, fieldText(one))
	}
	return strings.Join(all, " / ")
}

// bytesText is an array of bytes as a text; what is not UTF-8 is replaced.
func bytesText(array []json.RawMessage) (string, bool) {
	text := make([]byte, len(array))
	for i, one := range array {
		n, err := strconv.ParseUint(string(one), 10, 8)
		if err != nil {
			return "", false
		}
		text[i] = byte(n)
	}
	return strings.ToValidUTF8(string(text), "\uFFFD"), true
}
