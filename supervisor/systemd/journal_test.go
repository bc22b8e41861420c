package systemd

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/google/go-cmp/cmp"
)

// entry is what reached the journal.
type entry struct {
	Message  string
	Priority journal.Priority
	Fields   map[string]string
}

// recorder gives a logger whose entries it keeps; err is what sending answers.
func recorder(level slog.Level, err error) (*slog.Logger, *[]entry, *bytes.Buffer) {
	var got []entry
	var text bytes.Buffer
	h := &journalHandler{
		level: level,
		send: func(m string, p journal.Priority, f map[string]string) error {
			got = append(got, entry{m, p, f})
			return err
		},
		fallback: &textHandler{level: level, w: &text},
	}
	return slog.New(h), &got, &text
}

type lazy struct{}

func (lazy) LogValue() slog.Value { return slog.GroupValue(slog.Int("pid", 9)) }

func TestJournalFields(t *testing.T) {
	for _, c := range []struct {
		name string
		log  func(*slog.Logger)
		want map[string]string
	}{
		{"verbatim", func(l *slog.Logger) {
			l.WithGroup("g").Info("m", "MESSAGE_ID", "abc", "OBJECT_PID", 7, "NGINX_HOTSWAP_CYCLE", "c1")
		}, map[string]string{"MESSAGE_ID": "abc", "OBJECT_PID": "7", "NGINX_HOTSWAP_CYCLE": "c1"}},
		{"prefixed", func(l *slog.Logger) { l.Info("m", "unit", "nginx.service", "old pid", 1, "größe", 2) },
			map[string]string{"NGINX_HOTSWAP_UNIT": "nginx.service", "NGINX_HOTSWAP_OLD_PID": "1", "NGINX_HOTSWAP_GR__E": "2"}},
		{"groups", func(l *slog.Logger) {
			l.WithGroup("old").With("pid", 1).WithGroup("w").Info("m", slog.Group("x", "y", 2), slog.Group("", "z", 3))
		}, map[string]string{"NGINX_HOTSWAP_OLD_PID": "1", "NGINX_HOTSWAP_OLD_W_X_Y": "2", "NGINX_HOTSWAP_OLD_W_Z": "3"}},
		{"durations", func(l *slog.Logger) {
			l.Info("m", "NGINX_HOTSWAP_DURATION_USEC", 1500*time.Millisecond, "took_usec", time.Second, "took", time.Second)
		}, map[string]string{"NGINX_HOTSWAP_DURATION_USEC": "1500000", "NGINX_HOTSWAP_TOOK_USEC": "1000000",
			"NGINX_HOTSWAP_TOOK": "1s"}},
		{"values", func(l *slog.Logger) {
			l.Info("m", "error", errors.New("cannot"), "raw", []byte("b"), "list", []string{"a", "b"}, "ok", true,
				"at", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "new", lazy{})
		}, map[string]string{"NGINX_HOTSWAP_ERROR": "cannot", "NGINX_HOTSWAP_RAW": "b", "NGINX_HOTSWAP_LIST": "[a b]",
			"NGINX_HOTSWAP_OK": "true", "NGINX_HOTSWAP_AT": "2026-01-02T03:04:05Z", "NGINX_HOTSWAP_NEW_PID": "9"}},
		{"reserved and malformed", func(l *slog.Logger) {
			l.Info("m", "MESSAGE", "other", "PRIORITY", 0, "_PID", 1, "1ST", 2, "SYSLOG_IDENTIFIER", "x", slog.Attr{})
		}, map[string]string{"NGINX_HOTSWAP_MESSAGE": "other", "NGINX_HOTSWAP_PRIORITY": "0", "NGINX_HOTSWAP__PID": "1",
			"NGINX_HOTSWAP_1ST": "2", "NGINX_HOTSWAP_SYSLOG_IDENTIFIER": "x"}},
		{"later wins", func(l *slog.Logger) { l.With("a", 1).Info("m", "a", 2) },
			map[string]string{"NGINX_HOTSWAP_A": "2"}},
		{"long names", func(l *slog.Logger) { l.Info("m", strings.Repeat("x", 90), 1) },
			map[string]string{"NGINX_HOTSWAP_" + strings.Repeat("X", 50): "1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, got, _ := recorder(slog.LevelInfo, nil)
			c.log(l)
			c.want["SYSLOG_IDENTIFIER"] = "nginx-hotswap"
			if diff := cmp.Diff([]entry{{"m", journal.PriInfo, c.want}}, *got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for name := range (*got)[0].Fields {
				if !isField(name) {
					t.Errorf("%q is no name for a field", name)
				}
			}
		})
	}
}

func TestJournalPriorities(t *testing.T) {
	l, got, _ := recorder(slog.LevelDebug, nil)
	for _, level := range []slog.Level{-4, 0, 2, 3, 4, 8, 12} {
		l.Log(t.Context(), level, "several\nlines")
	}
	var priorities []journal.Priority
	for _, e := range *got {
		priorities = append(priorities, e.Priority)
		if e.Message != "several\nlines" {
			t.Errorf("message %q", e.Message)
		}
	}
	if diff := cmp.Diff([]journal.Priority{7, 6, 5, 5, 4, 3, 3}, priorities); diff != "" {
		t.Error(diff)
	}
}

// With must not leak attributes into its sibling.
func TestJournalSiblings(t *testing.T) {
	l, got, _ := recorder(slog.LevelInfo, nil)
	base := l.With("a", 1)
	base.With("b", 2).Info("one")
	base.Info("two")
	if f := (*got)[1].Fields; f["NGINX_HOTSWAP_B"] != "" || f["NGINX_HOTSWAP_A"] != "1" {
		t.Errorf("%v", f)
	}
}

func TestJournalFallback(t *testing.T) {
	l, _, text := recorder(slog.LevelInfo, errors.New("journald is away"))
	l.Warn("kept", "a", 1)
	if got := text.String(); got != "warning: kept\n" {
		t.Errorf("%q", got)
	}
}

func TestTextHandler(t *testing.T) {
	write := func(level slog.Level) string {
		var b bytes.Buffer
		l := slog.New(&textHandler{level: level, w: &b}).With("unit", "nginx.service")
		l.Debug("looked", "n", 1)
		l.Info("up\x1b\u009bgraded")
		l.WithGroup("old").Warn("slow", "pid", 7, "why", "two words", "none", "")
		l.Error("stuck", slog.Group("new", "pid", 8))
		return b.String()
	}
	want := "upgraded\nwarning: slow\nerror: stuck\n"
	if diff := cmp.Diff(want, write(slog.LevelInfo)); diff != "" {
		t.Error(diff)
	}
	want = "looked unit=nginx.service n=1\n" +
		"upgraded unit=nginx.service\n" +
		"warning: slow unit=nginx.service old.pid=7 old.why=\"two words\" old.none=\"\"\n" +
		"error: stuck unit=nginx.service new.pid=8\n"
	if diff := cmp.Diff(want, write(slog.LevelDebug)); diff != "" {
		t.Error(diff)
	}
}
