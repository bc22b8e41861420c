package probe

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

func TestExec(t *testing.T) {
	t.Setenv("SECRET", "x")
	tests := map[string]struct {
		script  string
		outcome Outcome
		text    string
	}{
		"good":        {"exit 0", "exit-0", "exit status 0"},
		"bad":         {"echo; echo not well >&2; echo more; exit 3", "exit-3", `exit status 3 ("not well")`},
		"silent":      {"exit 1", "exit-1", "exit status 1"},
		"signal":      {"kill -ABRT $$", Killed, "signal: aborted"},
		"environment": {`[ "$PATH" = /usr/sbin:/usr/bin:/sbin:/bin ] && [ -z "$SECRET" ] && [ "$PWD" = / ]`, "exit-0", "exit status 0"},
		"much output": {"head -c 1000000 /dev/zero | tr '\\0' x; exit 1", "exit-1", `exit status 1 ("` + strings.Repeat("x", 80)},
		"left behind": {"sleep 1 & exit 0", "exit-0", "exit status 0"},
	}
	for name, test := range tests {
		got := (Target{Exec: []string{"/bin/sh", "-c", test.script}, Timeout: time.Minute}).Ask(t.Context())
		if got.Outcome != test.outcome || !strings.HasPrefix(got.Text, test.text) || len(got.Text) > 200 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := (Target{Exec: []string{"/nonexistent"}}).Ask(t.Context()); got.Asked() {
		t.Errorf("got %+v", got)
	}
}

// A program that is late goes, and what it has started with it.
func TestExecTimeout(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	script := "sleep 1000 & echo $! >" + file + "; wait"
	began := time.Now()
	got := (Target{Exec: []string{"/bin/sh", "-c", script}, Timeout: 5 * time.Second}).Ask(t.Context())
	if got.Outcome != Timeout || got.Text != "no answer within 5s" || time.Since(began) > time.Minute {
		t.Errorf("got %+v", got)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	nginxtest.Eventually(t, "sleep is killed", func() bool {
		p, err := nginx.Open(pid)
		if err == nil {
			p.Close()
		}
		return err != nil
	})
}
