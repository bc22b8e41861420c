package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
)

// bench is one run of the benchmark.
type bench struct {
	plan
	root  string    // the checkout
	dir   string    // for what is built
	log   io.Writer // what is done just now
	where []string  // the releases that have booted, by name
}

// newBench makes everything that does not need a machine.
func newBench(ctx context.Context, p plan, log io.Writer) (*bench, error) {
	root, err := box.Checkout()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "nginx-hotswap-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{plan: p, root: root, dir: dir, log: log}
	if err := b.build(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bench) close() error { return os.RemoveAll(b.dir) }

// tools are the commands that are put into each machine.
var tools = []string{"./contrib/bench/cmd/observe", "./contrib/bench/cmd/floor", "./contrib/bench/cmd/hold", "./contrib/traffic/cmd/traffic"}

// toolDir is where the tools are in a machine.
const toolDir = "/usr/local/bin/"

func (b *bench) build(ctx context.Context) error {
	dir := filepath.Join(b.dir, "tools")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return b.make(ctx, append([]string{"go", "build", "-buildvcs=false", "-o", dir}, tools...)...)
}

// make runs a command in the checkout.
func (b *bench) make(ctx context.Context, argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = b.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot run %s: %w\n%s", strings.Join(argv, " "), err, out)
	}
	return nil
}

// tell says what is done just now.
func (b *bench) tell(format string, args ...any) {
	fmt.Fprintf(b.log, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// inMachine boots a machine of a release, or a copy of this one for "", and removes
// it. nginx runs in it, and nothing of ours.
func (b *bench) inMachine(ctx context.Context, release string, do func(context.Context, *machine) error) (err error) {
	var options box.Options
	if release != "" {
		if options.Base, err = box.Root(ctx, release, b.log); err != nil {
			return err
		}
	}
	up, err := box.Up(ctx, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, up.Down()) }()
	// A process that is no unit's would hold up the shutdown: all end before it.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := &machine{Box: up, bench: b, release: release}
	if err := m.prepare(ctx); err != nil {
		return err
	}
	return do(ctx, m)
}
