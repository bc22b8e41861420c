package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

// startUpstream starts the echo server and returns its address. It ends with ctx
// or with the machine.
func (m *machine) startUpstream(ctx context.Context) (string, error) {
	cmd := m.box.Command(ctx, trafficPath, "upstream", "--listen", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("cannot start the echo server: %w", err)
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("cannot start the echo server: %w", errors.Join(err, cmd.Wait()))
	}
	// Its status is of no interest: a dead echo server shows in the figures.
	m.background.Go(func() { _ = cmd.Wait() })
	return strings.TrimSpace(address), nil
}

// load is the traffic that runs in the machine.
type load struct {
	input    io.Closer
	out, log bytes.Buffer
	ended    chan error // the status of the command
}

func (m *machine) startLoad(ctx context.Context) (*load, error) {
	args := []string{"run", "--until-eof", "--json", "-"}
	for _, t := range targets(m.site) {
		args = append(args, "--target", t)
	}
	l := &load{ended: make(chan error, 1)}
	cmd := m.box.Command(ctx, trafficPath, args...)
	cmd.Stdout, cmd.Stderr = &l.out, &l.log
	var err error
	if l.input, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start the traffic: %w", err)
	}
	m.background.Go(func() { l.ended <- cmd.Wait() })
	return l, nil
}

// stop ends the traffic and returns its account.
func (l *load) stop() (*traffic.Report, error) {
	if err := l.input.Close(); err != nil {
		return nil, err
	}
	// Status 1 says that requests failed, and then there is an account too.
	ended := <-l.ended
	var r traffic.Report
	if err := json.Unmarshal(l.out.Bytes(), &r); err != nil {
		return nil, fmt.Errorf("the traffic gives no account: %w\n%s", errors.Join(ended, err), l.log.String())
	}
	return &r, nil
}
