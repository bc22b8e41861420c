package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/cmd/nginx-hotswap/report"
)

func TestParseJournal(t *testing.T) {
	at := time.UnixMicro(1795338843482000)
	const stamp = `"__REALTIME_TIMESTAMP":"1795338843482000"`
	for _, test := range []struct {
		name, text string
		want       []report.LogLine
		says       string // the error
	}{
		{"nothing", "", nil, ""},
		{"a line", `{` + stamp + `,"MESSAGE":"hello","PRIORITY":"4","SYSLOG_IDENTIFIER":"nginx-hotswap","_COMM":"other","_PID":"812"}` + "\n",
			[]report.LogLine{{At: at, Source: "nginx-hotswap[812]", Message: "hello", Priority: 4}}, ""},
		{"a long message", `{` + stamp + `,"MESSAGE":null,"_COMM":"nginx"}`, []report.LogLine{{At: at, Source: "nginx", Message: "(too long for this page)", Priority: 6}}, ""},
		{"bytes", `{` + stamp + `,"MESSAGE":[104,105,255,10]}`, []report.LogLine{{At: at, Message: "hi\uFFFD\n", Priority: 6}}, ""},
		{"twice", `{` + stamp + `,"MESSAGE":["a",[98,99],null]}`, []report.LogLine{{At: at, Message: "a / bc / (too long for this page)", Priority: 6}}, ""},
		{"an empty array", `{` + stamp + `,"MESSAGE":[]}`, []report.LogLine{{At: at, Priority: 6}}, ""},
		{"no bytes", `{` + stamp + `,"MESSAGE":[256,-1]}`, []report.LogLine{{At: at, Message: "(not a text) / (not a text)", Priority: 6}}, ""},
		{"an object", `{` + stamp + `,"MESSAGE":{"a":1},"PRIORITY":"high"}`, []report.LogLine{{At: at, Message: "(not a text)", Priority: 6}}, ""},
		{"no message", `{` + stamp + `}`, []report.LogLine{{At: at, Priority: 6}}, ""},
		{"no time", `{` + stamp + `}{"MESSAGE":"x"}`, []report.LogLine{{At: at, Priority: 6}}, "a line has no time"},
		{"cut off", `{` + stamp + `}` + "\n" + `{"MESS`, []report.LogLine{{At: at, Priority: 6}}, "unexpected EOF"},
		{"no JSON", "-- No entries --\n", nil, "invalid character"},
		{"an array", "[]", nil, "cannot unmarshal array"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseJournal(strings.NewReader(test.text))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if (err != nil) != (test.says != "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want %q", err, test.says)
			}
		})
	}
}

func FuzzJournal(f *testing.F) {
	for _, seed := range []string{`{"__REALTIME_TIMESTAMP":"1","MESSAGE":"a"}`, `{"__REALTIME_TIMESTAMP":"1","MESSAGE":[1,"x",[2],null]}`, `{"MESSAGE":[[[]]]}`, "null"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := parseJournal(strings.NewReader(text))
		if err == nil && len(lines) > 0 && text == "" {
			t.Error("lines out of nothing")
		}
		for _, l := range lines {
			if n := len([]rune(l.Message)); n > longestMessage {
				t.Errorf("a message of %d characters", n)
			}
			if n := len([]rune(l.Source)); n > 2*longestSource+2 {
				t.Errorf("a source of %d characters", n)
			}
		}
	})
}

// program is a journalctl that a test has written.
func program(t *testing.T, script string) journal {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journalctl")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return journal{path}
}

func TestJournalWindow(t *testing.T) {
	const line = `{"__REALTIME_TIMESTAMP":"1795338843482000","MESSAGE":"m"}`
	for _, test := range []struct {
		name, script string
		lines        int
		note         string
	}{
		{"some", "printf '%s\\n' '" + line + "' '" + line + "'", 2, ""},
		{"none", ":", 0, "has no lines of that time"},
		{"refused", "echo 'No permission.' >&2; exit 1", 0, "cannot be read: No permission."},
		{"it fails without a word", "exit 3", 0, "cannot be read: exit status 3."},
		{"too many", fmt.Sprintf("i=0; while [ $i -lt %d ]; do echo '%s'; i=$((i+1)); done", journalLines+1, line), journalLines, "Only the last 500 lines"},
		{"not to the end", "echo '" + line + "'; echo nonsense; while echo '" + line + "'; do :; done", 1, "Not all of"},
		{"a clean environment", `[ -z "$SECRET" ] && [ -z "$HOME" ] && echo '` + line + `'`, 1, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("SECRET", "x")
			lines, note := program(t, test.script).window(t.Context(), pastCycle(), time.Now())
			if len(lines) != test.lines || !strings.Contains(note, test.note) || test.note == "" && note != "" {
				t.Errorf("%d lines, note %q", len(lines), note)
			}
		})
	}
	lines, note := (journal{"/nonexistent/journalctl"}).window(t.Context(), pastCycle(), time.Now())
	if len(lines) > 0 || !strings.Contains(note, "is not installed") {
		t.Errorf("without the program: %d lines, note %q", len(lines), note)
	}
}

func TestJournalArguments(t *testing.T) {
	rec := pastCycle()
	got := strings.Join(arguments(rec, time.Time{}), " ")
	const want = "--output=json --no-pager --quiet --lines=501 --output-fields=MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_COMM,_PID " +
		"--since=@1795338838 --until=@1795338853 NGINX_HOTSWAP_CYCLE=20261122T091403.482-k3xq7 + NGINX_HOTSWAP_INSTANCE=nginx " +
		"+ _SYSTEMD_UNIT=nginx.service + _PID=1 UNIT=nginx.service"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	rec.Unit = ""
	if got := arguments(rec, time.Time{}); got[len(got)-1] != "NGINX_HOTSWAP_INSTANCE=nginx" {
		t.Errorf("without a unit: %q", got)
	}
}
