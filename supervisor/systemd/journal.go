package systemd

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"

	"github.com/coreos/go-systemd/v22/journal"
)

// LevelNotice is for what an administrator wants to see in a quiet log: above
// Info and below Warn, NOTICE (5) in the journal.
const LevelNotice = slog.Level(2)

// SyslogIdentifier is the SYSLOG_IDENTIFIER of all our entries.
const SyslogIdentifier = "nginx-hotswap"

// NewHandler gives the handler for where stderr goes: to the journal in its
// native protocol when stderr is a stream of the journal (JOURNAL_STREAM,
// systemd.exec(5)), else as plain text to stderr.
func NewHandler(level slog.Leveler) slog.Handler {
	text := &textHandler{level: level, w: os.Stderr}
	if ok, err := journal.StderrIsJournalStream(); err != nil || !ok {
		return text
	}
	return &journalHandler{level: level, send: journal.Send, fallback: text}
}

// NewFollowed gives the handler for a command that a person runs: what it does is
// followed as text and stands in the journal as well, where there is one.
func NewFollowed(level slog.Leveler, w io.Writer, shown slog.Leveler) slog.Handler {
	text := &textHandler{level: shown, w: w}
	if !journal.Enabled() {
		return text
	}
	return slog.NewMultiHandler(text, &journalHandler{level: level, send: journal.Send, fallback: slog.DiscardHandler})
}

// journalHandler sends each record as one journal entry. The message goes as it
// is, attributes become fields; see fieldName.
type journalHandler struct {
	level    slog.Leveler
	send     func(message string, priority journal.Priority, fields map[string]string) error
	fallback slog.Handler // when journald does not take an entry
	groups   []string
	fields   fields // of WithAttrs; never changed once set
}

// Enabled implements slog.Handler.
func (h *journalHandler) Enabled(_ context.Context, l slog.Level) bool {
	return l >= h.level.Level()
}

// Handle implements slog.Handler.
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	f := fields{}
	maps.Copy(f, h.fields)
	r.Attrs(func(a slog.Attr) bool {
		f.add(h.groups, a)
		return true
	})
	f["SYSLOG_IDENTIFIER"] = SyslogIdentifier
	if h.send(r.Message, priority(r.Level), f) == nil {
		return nil
	}
	return h.fallback.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.fields = fields{}
	maps.Copy(c.fields, h.fields)
	for _, a := range attrs {
		c.fields.add(h.groups, a)
	}
	c.fallback = h.fallback.WithAttrs(attrs)
	return &c
}

// WithGroup implements slog.Handler.
func (h *journalHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.groups = append(slices.Clone(h.groups), name)
	c.fallback = h.fallback.WithGroup(name)
	return &c
}

// priority gives the syslog priority of a level.
func priority(l slog.Level) journal.Priority {
	switch {
	case l >= slog.LevelError:
		return journal.PriErr
	case l >= slog.LevelWarn:
		return journal.PriWarning
	case l >= LevelNotice:
		return journal.PriNotice
	case l >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}
