package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// hostileReasons are texts and what a unit sees of them. The box test shows them
// to systemd itself.
var hostileReasons = []struct{ text, want string }{
	{`plain`, `plain`},
	{``, ``},
	{` "quoted" 'text' \ $HOME $(id) ` + "`id`" + ` %i # ; & \n`, ` "quoted" 'text' \ $HOME $(id) ` + "`id`" + ` %i # ; & \n`},
	{"two\nlines\r\tand \x1b[31mred\x00", "two lines  and  [31mred "},
	{"\"\nLD_PRELOAD=/tmp/evil.so\n#", `" LD_PRELOAD=/tmp/evil.so #`},
	{"é\xff\u0085", "é\ufffd "},
	{`ends with \`, `ends with \`},
	{strings.Repeat("é", resultLimit), strings.Repeat("é", resultLimit/2) + "..."},
}

func TestResultTextInAShell(t *testing.T) {
	for _, tt := range hostileReasons {
		file := filepath.Join(t.TempDir(), "env")
		r := &supervisor.Record{Instance: "nginx", ID: "id", Result: supervisor.RolledBack, Reason: tt.text, Origin: supervisor.OriginDpkg,
			Old: supervisor.Generation{Version: "1.22.1"}, Successor: supervisor.Generation{Version: "1.26.3"}}
		if err := os.WriteFile(file, resultText(r), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", "-c", `set -aeu; . "$1"; env -0 | grep -zE '^(NGINX_HOTSWAP|LD)_' | sort -z`, "sh", file)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		want := "NGINX_HOTSWAP_CYCLE=id\x00NGINX_HOTSWAP_INSTANCE=nginx\x00NGINX_HOTSWAP_NEW_VERSION=1.26.3\x00NGINX_HOTSWAP_OLD_VERSION=1.22.1\x00" +
			"NGINX_HOTSWAP_ORIGIN=dpkg\x00NGINX_HOTSWAP_REASON=" + tt.want + "\x00NGINX_HOTSWAP_RESULT=rolled-back\x00"
		if diff := cmp.Diff(want, string(out)); diff != "" {
			t.Errorf("%q: %s", tt.text, diff)
		}
	}
}

// Whatever a reason says, it stays one value of one variable.
func FuzzResultText(f *testing.F) {
	for _, tt := range hostileReasons {
		f.Add(tt.text)
	}
	f.Fuzz(func(t *testing.T, reason string) {
		text := string(resultText(&supervisor.Record{Reason: reason}))
		if !utf8.ValidString(text) || strings.ContainsFunc(strings.ReplaceAll(text, "\n", ""), unicode.IsControl) {
			t.Errorf("not plain: %q", text)
		}
		lines := strings.SplitAfter(text, "\n")
		if len(lines) != 8 {
			t.Fatalf("%d lines: %q", len(lines), text)
		}
		value, ok := strings.CutPrefix(lines[3], `NGINX_HOTSWAP_REASON="`)
		value, closed := strings.CutSuffix(value, "\"\n")
		if !ok || !closed {
			t.Fatalf("the line is %q", lines[3])
		}
		if got := unquoted(t, value); got != plainText(reason) {
			t.Errorf("got %q, want %q", got, plainText(reason))
		}
	})
}

// unquoted reads what stands between double quotes as systemd does
// (parse_env_file_internal).
func unquoted(t *testing.T, value string) string {
	var out strings.Builder
	for i := 0; i < len(value); i++ {
		switch {
		case value[i] == '"' || value[i] == '$' || value[i] == '`':
			t.Errorf("a bare %c in %q", value[i], value)
		case value[i] == '\\':
			if i++; i == len(value) {
				t.Fatalf("%q takes the quote with it", value)
			}
			if !strings.ContainsRune("\"\\`$", rune(value[i])) {
				out.WriteByte('\\')
			}
		}
		out.WriteByte(value[i])
	}
	return out.String()
}

func TestResultUnitOf(t *testing.T) {
	for _, tt := range []struct{ unit, instance, want string }{
		{"upgraded.service", "nginx", "upgraded.service"},
		{"upgraded@.service", "nginx", "upgraded@nginx.service"},
		{"upgraded@.service", "nginx@a b", `upgraded@nginx@a\x20b.service`},
		{"upgraded@all.service", "nginx", "upgraded@all.service"},
	} {
		if got := resultUnitOf(tt.unit, tt.instance); got != tt.want {
			t.Errorf("%s for %s: got %s, want %s", tt.unit, tt.instance, got, tt.want)
		}
	}
}

// Each cycle starts the unit once, in the order in which they ended, with its own
// result in the file. What fails is told, and does not stop the next.
func TestResultUnits(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077))
	runtime := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		u := newResultUnits(runtime, slog.New(slog.NewTextHandler(&log, nil)))
		var started []string
		u.start = func(_ context.Context, unit string) error {
			text, err := os.ReadFile(filepath.Join(u.directory, strings.TrimSuffix(strings.TrimPrefix(unit, "up@"), ".service")+".env"))
			if err != nil {
				t.Error(err)
			}
			_, result, _ := strings.Cut(string(text), "NGINX_HOTSWAP_RESULT=")
			result, _, _ = strings.Cut(result, "\n")
			started = append(started, unit+" "+result)
			if unit == "up@b.service" {
				return errors.New("there is no such unit")
			}
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- u.run(ctx) }()
		u.finish(finishedRecord("a", supervisor.Lost)) // before there is a unit
		u.configure("up@.service")
		u.finish(finishedRecord("a", supervisor.Upgraded))
		u.finish(finishedRecord("b", supervisor.Rejected))
		u.finish(finishedRecord("a", supervisor.RolledBack))
		synctest.Wait()
		u.configure("")
		u.finish(finishedRecord("a", supervisor.Stuck))
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{`up@a.service "upgraded"`, `up@b.service "rejected"`, `up@a.service "rolled-back"`}, started); diff != "" {
			t.Error(diff)
		}
		if got := log.String(); strings.Count(got, "level=WARN") != 1 || !strings.Contains(got, "systemctl start 'up@b.service'") {
			t.Errorf("the log: %s", got)
		}
	})
	for name, want := range map[string]os.FileMode{"": os.ModeDir | 0o755, "a.env": 0o644} {
		info, err := os.Stat(filepath.Join(runtime, resultDirectory, name))
		if err != nil || info.Mode() != want {
			t.Errorf("%q: %v, %v", name, info, err)
		}
	}
}

// What %i gives is no pattern that misses the file.
func TestResultFiles(t *testing.T) {
	for instance, want := range map[string][]string{
		"nginx":       {"nginx.env"},
		"a/b":         {`a\x2fb.env`, "ax2fb.env"},
		`n@my\x2dweb`: {`n@my\x5cx2dweb.env`, "n@myx5cx2dweb.env"},
		"..":          {"...env"},
	} {
		if diff := cmp.Diff(want, resultFiles(instance)); diff != "" {
			t.Errorf("%s: %s", instance, diff)
		}
	}
}
