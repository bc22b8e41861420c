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
)

// options are the flags.
type options struct {
	quick bool
	runs  int
	write string
	parts []string
}

func main() {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "few and small runs, to see that everything can be measured")
	flag.IntVar(&o.runs, "runs", 0, "how `OFTEN` each row is measured, instead of what each part has by itself")
	flag.StringVar(&o.write, "write", "", "write the results to `FILE`, and the figures of each run beside it as JSON")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage: bench [-quick] [-runs N] [-write FILE] [PART...]\n\nParts, all by default:")
		for _, p := range parts {
			fmt.Fprintln(flag.CommandLine.Output(), "  "+p.name)
		}
		flag.PrintDefaults()
	}
	flag.Parse()
	o.parts = flag.Args()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, o, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run makes the measurements and tells of those that could be made.
func run(ctx context.Context, o options, out, log io.Writer) (err error) {
	chosen, p, err := o.plan()
	if err != nil {
		return err
	}
	b, err := newBench(ctx, p, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	r := results{}
	for _, part := range chosen {
		section, err := part.run(ctx, b)
		if err != nil {
			return errors.Join(fmt.Errorf("cannot measure %s: %w", part.name, err), r.save(o.write))
		}
		r.where = b.place()
		r.sections = append(r.sections, section)
		section.write(out)
	}
	r.verdicts(out)
	return errors.Join(r.save(o.write), r.lost())
}

// plan returns the parts that are chosen and how much they measure.
func (o options) plan() ([]part, plan, error) {
	p, names := full, o.parts
	if o.quick {
		p = quick
	}
	if o.runs < 0 {
		return nil, p, fmt.Errorf("cannot measure %d times: use -runs=1 or more", o.runs)
	}
	if o.runs > 0 {
		p.clientRuns, p.badRuns, p.rollbackRuns, p.cycleRuns, p.drainRuns, p.keepAliveRuns = o.runs, o.runs, o.runs, o.runs, o.runs, o.runs
	}
	if o.quick && len(names) == 0 {
		names = quickParts
	}
	chosen, err := choose(names)
	return chosen, p, err
}

// choose returns the parts of the given names, all if there are none.
func choose(names []string) ([]part, error) {
	if len(names) == 0 {
		return parts, nil
	}
	var chosen []part
	for _, name := range names {
		found := false
		for _, p := range parts {
			if p.name == name {
				chosen, found = append(chosen, p), true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no part %q: see bench -h", name)
		}
	}
	return chosen, nil
}
