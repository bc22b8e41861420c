package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
)

// perHolder is how many connections a process holds, from an address of its own: it
// has neither files nor ports for all.
const perHolder = 15000

// held is many connections to nginx.
type held []holder

type holder struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

// hold opens so many connections. What it returns is to be released in any case.
func (m *machine) hold(ctx context.Context, n int) (h held, err error) {
	for address := 1; n > 0; address++ {
		one, err := m.startHolder(ctx, address, min(n, perHolder))
		if err != nil {
			return h, fmt.Errorf("cannot hold %d connections: %w", n, err)
		}
		h = append(h, one)
		n -= perHolder
	}
	return h, nil
}

func (m *machine) startHolder(ctx context.Context, address, n int) (h holder, err error) {
	h.cmd = m.Command(ctx, toolDir+"hold", fmt.Sprintf("-n=%d", n), fmt.Sprintf("-from=127.0.0.%d", address), "-to="+siteListen)
	log, err := h.cmd.StderrPipe()
	if err != nil {
		return h, err
	}
	if h.stdin, err = h.cmd.StdinPipe(); err != nil {
		return h, err
	}
	if err := h.cmd.Start(); err != nil {
		return h, err
	}
	if line, err := bufio.NewReader(log).ReadString('\n'); line != "ready\n" {
		return h, errors.Join(err, h.cmd.Wait(), errors.New(line))
	}
	return h, nil
}

// release closes the connections.
func (h held) release() (err error) {
	for _, one := range h {
		err = errors.Join(err, one.stdin.Close())
	}
	for _, one := range h {
		err = errors.Join(err, one.cmd.Wait())
	}
	return err
}
