package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
)

// measurement is one part of the benchmark.
type measurement struct {
	name    string
	measure func(ctx context.Context, m *machine, runs int, w io.Writer) error
}

var measurements = []measurement{{"rollback", measureRollback}}

func main() {
	runs := flag.Int("runs", 15, "how `OFTEN` each row is measured")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage: bench [-runs N] [MEASUREMENT...]\n\nMeasurements, all by default:")
		for _, m := range measurements {
			fmt.Fprintln(flag.CommandLine.Output(), "  "+m.name)
		}
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, *runs, flag.Args(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run makes the measurements that are named.
func run(ctx context.Context, runs int, names []string, w io.Writer) error {
	chosen, err := choose(names)
	if err != nil {
		return err
	}
	if runs < 1 {
		return fmt.Errorf("cannot measure %d times: use -runs=1 or more", runs)
	}
	for _, m := range chosen {
		if err := inMachine(ctx, func(ctx context.Context, machine *machine) error {
			return m.measure(ctx, machine, runs, w)
		}); err != nil {
			return fmt.Errorf("cannot measure %s: %w", m.name, err)
		}
	}
	return nil
}

// choose returns the measurements of the given names, all if there are none.
func choose(names []string) ([]measurement, error) {
	if len(names) == 0 {
		return measurements, nil
	}
	var chosen []measurement
	for _, name := range names {
		found := false
		for _, m := range measurements {
			if m.name == name {
				chosen, found = append(chosen, m), true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no measurement %q: see bench -h", name)
		}
	}
	return chosen, nil
}

// inMachine boots a machine for a measurement and removes it.
func inMachine(ctx context.Context, do func(context.Context, *machine) error) (err error) {
	b, err := box.Up(ctx, box.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Down()) }()
	dir, err := os.MkdirTemp("", "nginx-hotswap-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// A process that is no unit's would hold up the shutdown: all end before it.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := &machine{Box: b, dir: dir}
	if err := m.prepare(ctx); err != nil {
		return err
	}
	return do(ctx, m)
}
