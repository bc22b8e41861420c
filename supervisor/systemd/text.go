package systemd

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// textHandler writes for a person at a terminal: the message alone, with
// "warning: " or "error: " in front where it is one. Attributes repeat what the
// message says and are shown only when the level is debug.
type textHandler struct {
	level  slog.Leveler
	w      io.Writer
	groups []string
	attrs  string // of WithAttrs, formatted
}

// Enabled implements slog.Handler.
func (h *textHandler) Enabled(_ context.Context, l slog.Level) bool {
	return l >= h.level.Level()
}

// Handle implements slog.Handler. A record is one write, so that records of
// several goroutines do not mix.
func (h *textHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	switch {
	case r.Level >= slog.LevelError:
		b.WriteString("error: ")
	case r.Level >= slog.LevelWarn:
		b.WriteString("warning: ")
	}
	b.WriteString(strings.Map(harmless, r.Message))
	if h.level.Level() <= slog.LevelDebug {
		b.WriteString(h.attrs)
		r.Attrs(func(a slog.Attr) bool {
			writeAttr(&b, h.groups, a)
			return true
		})
	}
	b.WriteByte('\n')
	_, err := io.WriteString(h.w, b.String())
	return err
}

// harmless drops what a terminal would obey: messages quote what others wrote.
func harmless(r rune) rune {
	if r == '\n' || r == '\t' || !unicode.IsControl(r) {
		return r
	}
	return -1
}

// WithAttrs implements slog.Handler.
func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	var b strings.Builder
	b.WriteString(h.attrs)
	for _, a := range attrs {
		writeAttr(&b, h.groups, a)
	}
	c.attrs = b.String()
	return &c
}

// WithGroup implements slog.Handler.
func (h *textHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.groups = append(slices.Clone(h.groups), name)
	return &c
}

// writeAttr writes " group.key=value".
func writeAttr(b *strings.Builder, groups []string, a slog.Attr) {
	v := a.Value.Resolve()
	switch {
	case v.Kind() == slog.KindGroup:
		if a.Key != "" {
			groups = append(groups[:len(groups):len(groups)], a.Key)
		}
		for _, member := range v.Group() {
			writeAttr(b, groups, member)
		}
	case a.Key != "":
		b.WriteByte(' ')
		for _, g := range groups {
			b.WriteString(g + ".")
		}
		b.WriteString(a.Key + "=" + quoted(fieldValue("", v)))
	}
}

// quoted quotes a value that would not read as one word.
func quoted(s string) string {
	if s == "" || strings.ContainsAny(s, " =\"\n\t") {
		return strconv.Quote(s)
	}
	return s
}
