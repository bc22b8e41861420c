package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

// lead is how long there is traffic before something is done.
const lead = time.Second

// fewFailures are kept with their text; all are counted.
const fewFailures = 3

// clients are those that make traffic in the machine.
type clients struct {
	cmd      *exec.Cmd
	stdin    io.Closer
	out, log bytes.Buffer
	began    time.Time
}

// startClients starts the traffic and returns when it has gone on for a while.
func (m *machine) startClients(ctx context.Context, targets []string) (*clients, error) {
	args := []string{"run", "--until-eof", "--json", "-", "--timeout", m.patience.String()}
	for _, t := range targets {
		args = append(args, "--target", t)
	}
	c := &clients{cmd: m.Command(ctx, toolDir+"traffic", args...), began: time.Now()}
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.log
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start the traffic: %w", err)
	}
	return c, wait(ctx, lead)
}

// stop ends the traffic once it has gone on for that long, and returns its account.
func (c *clients) stop(ctx context.Context, window time.Duration) (*traffic.Report, error) {
	err := wait(ctx, time.Until(c.began.Add(window)))
	if err = errors.Join(err, c.stdin.Close()); err != nil {
		return nil, err
	}
	// Status 1 says that requests failed, and then there is an account, too.
	ended := c.cmd.Wait()
	var r traffic.Report
	if err := json.Unmarshal(c.out.Bytes(), &r); err != nil {
		return nil, fmt.Errorf("the traffic gives no account: %w\n%s", errors.Join(ended, err), c.log.String())
	}
	return &r, nil
}

// under makes an attempt under traffic, which lasts for the window or as long as
// the attempt does.
func (m *machine) under(ctx context.Context, targets []string, window time.Duration, attempt func(context.Context) error) (*traffic.Report, error) {
	c, err := m.startClients(ctx, targets)
	if err != nil {
		return nil, err
	}
	failed := attempt(ctx)
	report, err := c.stop(ctx, window)
	if err := errors.Join(failed, err); err != nil {
		return nil, err
	}
	if report.Total.OK == 0 {
		return nil, errors.New("no request was answered: nothing is measured")
	}
	report.Failures = report.Failures[:min(fewFailures, len(report.Failures))]
	return report, nil
}
