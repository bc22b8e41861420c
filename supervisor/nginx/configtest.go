package nginx

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// TestArgv turns the arguments of a master into those of its configuration
// test: the same with -t behind the program's name.
func TestArgv(argv []string) []string {
	return append([]string{argv[0], "-t"}, argv[1:]...)
}

// TestResult is the outcome of `nginx -t`.
type TestResult struct {
	OK     bool
	Output string // what it printed, cut after 64 KiB
}

// Problem is the line of the output that says what is wrong.
func (r TestResult) Problem() string {
	last := ""
	for line := range strings.Lines(r.Output) {
		line = strings.TrimSpace(line)
		for _, level := range []string{"[emerg]", "[alert]", "[crit]"} {
			if strings.Contains(line, level) {
				return line
			}
		}
		if line != "" && !strings.HasPrefix(line, "configuration file ") {
			last = line
		}
	}
	return last
}

// TestConfig runs `nginx -t` directly, where no systemd could do it. The
// environment is what USR2 passes on: nothing.
func TestConfig(ctx context.Context, argv []string, dir string) (TestResult, error) {
	out := limitedBuffer{limit: 64 << 10}
	args := TestArgv(argv)
	path := args[0]
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	cmd := exec.CommandContext(ctx, path)
	cmd.Args = args
	cmd.Dir = dir
	cmd.Env = []string{}
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		return TestResult{}, fmt.Errorf("%s -t did not end: %w", argv[0], context.Cause(ctx))
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return TestResult{}, fmt.Errorf("cannot run %s -t: %w", argv[0], err)
	}
	return TestResult{OK: err == nil, Output: string(out.data)}, nil
}
