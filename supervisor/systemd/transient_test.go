package systemd

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"
)

func TestResultOf(t *testing.T) {
	for _, c := range []struct {
		name         string
		code, status int32
		result       string
		want         Result
		fails        bool
	}{
		{"success", cldExited, 0, "success", Result{}, false},
		{"failure", cldExited, 1, "exit-code", Result{Exit: 1}, false},
		{"crash", cldDumped, 11, "core-dump", Result{Exit: -1, Signal: 11}, false},
		{"killed", cldKilled, 9, "signal", Result{Exit: -1, Signal: 9}, false},
		{"late", cldKilled, 15, "timeout", Result{Exit: -1, Signal: 15, Timeout: true}, false},
		{"late, exits by itself", cldExited, 0, "timeout", Result{Timeout: true}, false},
		{"not started", 0, 0, "resources", Result{}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := resultOf(properties{
				"ExecMainCode":   dbus.MakeVariant(c.code),
				"ExecMainStatus": dbus.MakeVariant(c.status),
				"Result":         dbus.MakeVariant(c.result),
			})
			if (err != nil) != c.fails {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSetup(t *testing.T) {
	for exit, want := range map[int]string{0: "", 1: "", -1: "", 203: "EXEC", 226: "NAMESPACE"} {
		if got := (Result{Exit: exit}).Setup(); got != want {
			t.Errorf("exit %d: %q, want %q", exit, got, want)
		}
	}
}

func TestUnset(t *testing.T) {
	tr := transient{command: Command{Env: []string{"PATH=/bin", "NGINX=7;"}}, inherited: []string{"LANG", "EXTRA"}}
	got := tr.unset()
	for _, name := range []string{"LANG", "EXTRA", "HOME", "INVOCATION_ID"} {
		if !slices.Contains(got, name) {
			t.Errorf("%s stays in the environment", name)
		}
	}
	if slices.Contains(got, "PATH") {
		t.Error("PATH was given and is taken away")
	}
	if len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Error("a name is there twice")
	}
}

func TestLimit(t *testing.T) {
	tr := transient{command: Command{Timeout: 1500 * time.Millisecond}}
	if got := tr.limit(t.Context()); got != 1_500_000 {
		t.Errorf("%d µs", got)
	}
	tr.command.Timeout = 0
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if got := tr.limit(ctx); got < 64_000_000 || got > 65_000_000 {
		t.Errorf("%d µs for a context of one minute", got)
	}
	endless, cancel := context.WithTimeout(t.Context(), math.MaxInt64) // TestTimeoutSec=infinity
	defer cancel()
	if got := tr.limit(endless); got < math.MaxInt64/1000 || got > 1<<63 {
		t.Errorf("%d µs for a context without end", got)
	}
	if got := tr.limit(context.WithoutCancel(ctx)); got != 1<<64-1 {
		t.Errorf("%d µs without any limit", got)
	}
}

func TestRunNeedsAbsolutePath(t *testing.T) {
	for _, argv := range [][]string{nil, {"nginx", "-t"}} {
		if _, err := Run(t.Context(), Command{Argv: argv}); err == nil {
			t.Errorf("%q was run", argv)
		}
	}
}

func TestOutputIsCapped(t *testing.T) {
	o, err := newOutput()
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	want := bytes.Repeat([]byte("0123456789abcdef"), 20<<10)
	if _, err := o.writer().Write(want); err != nil {
		t.Fatal(err)
	}
	o.started()
	if got := o.bytes(); !bytes.Equal(got, want[:outputLimit]) {
		t.Errorf("%d bytes kept, want the first %d", len(got), outputLimit)
	}
}

// A process that keeps the pipe must not keep us.
func TestOutputHeldOpen(t *testing.T) {
	o, err := newOutput()
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	if _, err := o.writer().WriteString("said\n"); err != nil {
		t.Fatal(err)
	}
	if got := string(o.bytes()); got != "said\n" {
		t.Errorf("%q", got)
	}
}

func TestErrorName(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{dbus.Error{Name: errNoUnit}, errNoUnit},
		{errors.Join(dbus.Error{Name: errNoUnit}), errNoUnit},
		{os.ErrClosed, os.ErrClosed.Error()},
	} {
		if got := errorName(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}
