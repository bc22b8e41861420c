package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
)

const (
	// cycleLimit is for the whole upgrade. SettleSec=3s, SoakSec=10s and
	// KeepOldSec=10s are its greater part.
	cycleLimit = 70 * time.Second
	// lead is how long there is traffic before the upgrade and after it.
	lead = 2 * time.Second
)

// errNotProven says that the upgrade did not go as it should. The figures have
// said how.
var errNotProven = errors.New("the upgrade did not go as it should")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx)
	interrupted := ctx.Err() != nil
	stop()
	if interrupted {
		fmt.Fprintln(os.Stderr, "\ndemo: interrupted; the throwaway machine is gone")
		os.Exit(1)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

// run boots a machine, shows an upgrade in it and removes it, also when ctx ends.
func run(ctx context.Context) (err error) {
	s := newStory(os.Stdout)
	s.heading("An upgrade of nginx under traffic, in a throwaway machine. Nothing changes on this one.")
	s.step("boot the machine: a copy of this one with a systemd of its own, and no network")
	b, err := box.Up(ctx, box.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Down()) }()
	// A process that is no unit's would hold up the shutdown: all end before it.
	ctx, cancel := context.WithCancel(ctx)
	m := &machine{box: b, story: s}
	defer m.background.Wait()
	defer cancel()
	if err := m.prepare(ctx); err != nil {
		return err
	}
	f, err := m.upgrade(ctx)
	if err != nil {
		return err
	}
	f.print(os.Stdout)
	return f.verdict()
}

// upgrade makes traffic, replaces the binary in the middle of it and waits for the
// end of the cycle.
func (m *machine) upgrade(ctx context.Context) (*figures, error) {
	before, err := m.look(ctx)
	if err != nil {
		return nil, err
	}
	m.story.step("start the traffic: new connections, keep-alive, slow downloads, streams (as WebSocket), a unix socket")
	load, err := m.startLoad(ctx)
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, lead); err != nil {
		return nil, err
	}
	if err := m.replace(ctx, before.Version); err != nil {
		return nil, err
	}
	if err := m.awaitCycle(ctx); err != nil {
		return nil, err
	}
	if err := pause(ctx, lead); err != nil {
		return nil, err
	}
	m.story.step("end the traffic: downloads that have begun are read to their end")
	report, err := load.stop()
	if err != nil {
		return nil, err
	}
	after, err := m.look(ctx)
	return &figures{before: before, after: after, report: report}, err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
