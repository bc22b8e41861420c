package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

// runOptions are the flags of traffic run.
type runOptions struct {
	targets  []string
	duration time.Duration
	timeout  time.Duration
	grace    time.Duration
	json     string
	untilEOF bool
}

func runCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run --target KEY=VALUE,... [--target ...]",
		Short: "Send requests until the duration is over, SIGINT or SIGTERM comes or standard input ends",
		Long: `Send requests until the duration is over, SIGINT or SIGTERM comes or, with
--until-eof, standard input ends. Then print the account: failures beside stale
retries. The exit status is 0 if no request failed and at least one was answered,
else 1.

A target is a comma-separated list of:
` + targetHelp,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.run(c.Context(), c.InOrStdin(), c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringArrayVar(&o.targets, "target", nil, "what to ask for, and how; repeatable")
	f.DurationVar(&o.duration, "duration", 0, "how long (0: until a signal or the end of input)")
	f.DurationVar(&o.timeout, "timeout", 0, "of each request (default 10s)")
	f.DurationVar(&o.grace, "grace", 0, "how long running requests may finish at the end (default 15s)")
	f.StringVar(&o.json, "json", "", "also write the account as JSON to `FILE`; - for JSON alone on standard output")
	f.BoolVar(&o.untilEOF, "until-eof", false, "stop when standard input ends")
	return c
}

// errInputEnded is why --until-eof stops.
var errInputEnded = errors.New("standard input ended")

func (o *runOptions) run(ctx context.Context, in io.Reader, out io.Writer) error {
	config, err := o.config()
	if err != nil {
		return err
	}
	ctx, unregister := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer unregister()
	if o.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.duration)
		defer cancel()
	}
	if o.untilEOF {
		var cancel context.CancelCauseFunc
		ctx, cancel = context.WithCancelCause(ctx)
		go func() {
			io.Copy(io.Discard, in) // an error ends the input as well
			cancel(errInputEnded)
		}()
	}
	report, err := traffic.Run(ctx, config)
	if err != nil {
		return err
	}
	return errors.Join(o.write(report, out), report.Verdict())
}

func (o *runOptions) config() (traffic.Config, error) {
	config := traffic.Config{Timeout: o.timeout, Grace: o.grace}
	for _, text := range o.targets {
		target, err := parseTarget(text)
		if err != nil {
			return config, fmt.Errorf("cannot use --target %s: %w", text, err)
		}
		config.Targets = append(config.Targets, target)
	}
	return config, nil
}

// write prints the table, and JSON where it was asked for.
func (o *runOptions) write(r *traffic.Report, out io.Writer) error {
	if o.json != "-" {
		r.Table(out)
	}
	if o.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot write the account: %w", err)
	}
	text = append(text, '\n')
	if o.json == "-" {
		_, err = out.Write(text)
	} else {
		err = os.WriteFile(o.json, text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("cannot write the account: %w", err)
	}
	return nil
}
