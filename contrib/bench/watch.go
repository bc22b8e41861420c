package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/bench/observer"
)

// watch is an observer that runs in the machine.
type watch struct {
	cmd   *exec.Cmd
	stdin io.Closer
	out   bytes.Buffer
	log   *bufio.Reader
}

// startWatch starts an observer of nginx's master and returns when it has begun.
func (m *machine) startWatch(ctx context.Context, args ...string) (*watch, error) {
	master, err := m.mainPID(ctx)
	if err != nil {
		return nil, err
	}
	// Ahead of all others, so that what it sees has the time at which it came.
	args = append([]string{"--rr", "1", toolDir + "observe", fmt.Sprintf("-master=%d", master), "-socket=" + siteSocket}, args...)
	w := &watch{cmd: m.Command(ctx, "chrt", args...)}
	w.cmd.Stdout = &w.out
	log, err := w.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	w.log = bufio.NewReader(log)
	if w.stdin, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := w.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start the observer: %w", err)
	}
	if line, err := w.log.ReadString('\n'); line != "ready\n" {
		return nil, fmt.Errorf("cannot start the observer, it says %q: %v", line, errors.Join(err, w.cmd.Wait()))
	}
	return w, nil
}

// stop ends the observer and returns its account.
func (w *watch) stop() (*observer.Account, error) {
	if err := w.stdin.Close(); err != nil {
		return nil, err
	}
	log, err := io.ReadAll(w.log)
	if err := errors.Join(err, w.cmd.Wait()); err != nil {
		return nil, fmt.Errorf("the observer failed: %w: %s", err, strings.TrimSpace(string(log)))
	}
	var a observer.Account
	if err := json.Unmarshal(w.out.Bytes(), &a); err != nil {
		return nil, fmt.Errorf("the observer gives no account: %w", err)
	}
	return &a, nil
}
