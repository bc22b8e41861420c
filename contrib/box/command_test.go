package box

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTry(t *testing.T) {
	t.Setenv("BOX_TEST_SECRET", "host")
	b := Start(t, Options{})
	type result struct {
		Stdout, Stderr string
		Exit           int
	}
	for name, test := range map[string]struct {
		script string
		want   result
	}{
		"outputs":      {"echo out; echo err >&2", result{"out", "err", 0}},
		"status":       {"exit 42", result{"", "", 42}},
		"fails early":  {"false; echo on", result{"", "", 1}},
		"unset":        {`echo "$nothing"`, result{"", "sh: 1: nothing: parameter not set", 2}},
		"signal":       {"kill -KILL $$", result{"", "", 137}},
		"not found":    {"no-such-command", result{"", "sh: 1: no-such-command: not found", 127}},
		"environment":  {"env | cut -d= -f1 | sort | xargs", result{"HOME LANG PATH PWD TERM", "", 0}},
		"directory":    {"pwd", result{"/", "", 0}},
		"group":        {"grep -c ^0::/command- /proc/self/cgroup", result{"1", "", 0}},
		"left running": {"sleep 1234 & echo on", result{"on", "", 0}},
	} {
		t.Run(name, func(t *testing.T) {
			var got result
			var err error
			got.Stdout, got.Stderr, got.Exit, err = b.Try(t.Context(), test.script)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got := b.Run(t, "pgrep -fc '^sleep 1234'"); got != "1" {
		t.Errorf("a daemon did not outlive the command that started it: %s", got)
	}
	t.Cleanup(func() { b.Run(t, "true # The context of the test has ended.") })
}

// The end of the context kills everything that a command has started, and nothing
// else.
func TestCommandContext(t *testing.T) {
	t.Parallel()
	b := Start(t, Options{})
	b.Run(t, "setsid sleep 1000 >/dev/null 2>&1 &")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_, _, _, _ = b.Try(ctx, "until [ $(pgrep -xc sleep) = 3 ]; do sleep .05; done") // in the end Try below tells
		cancel()
	}()
	out, _, _, err := b.Try(ctx, "echo begun; setsid sleep 2000 & trap '' TERM INT HUP; (sleep 2000; true)")
	if !errors.Is(err, context.Canceled) || out != "begun" {
		t.Errorf("Try says %q, %v", out, err)
	}
	t.Cleanup(func() {
		began := time.Now()
		mustDown(t, b)
		if took := time.Since(began); took > downLimit/2 {
			t.Errorf("the remains of the command kept the box for %v", took)
		}
	})
	if left := b.Run(t, "for i in $(seq 200); do pgrep -f '[s]leep 2000' >/dev/null || break; sleep .05; done; pgrep -ax sleep || true"); !strings.HasSuffix(left, "sleep 1000") || strings.Contains(left, "2000") {
		t.Errorf("left: %s", left)
	}
}

func TestCommandStdin(t *testing.T) {
	t.Parallel()
	b := Start(t, Options{})
	cmd := b.Command(t.Context(), "tr", "a-z", "A-Z")
	cmd.Stdin = strings.NewReader("in the box")
	out, err := cmd.Output()
	if diff := cmp.Diff("IN THE BOX", string(out)); err != nil || diff != "" {
		t.Error(err, diff)
	}
}
