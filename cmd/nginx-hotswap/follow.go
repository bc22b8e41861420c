package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// liveView is a way to show what goes on.
type liveView interface {
	begin()
	show(list []supervisor.Status, now time.Time)
	keep(text string) // a line that stays
	resized()
	end()
}

// viewOf picks the view that a terminal, or none, allows for.
func viewOf(w io.Writer, t *terminal) liveView {
	if t != nil && t.smart {
		return newScreen(t)
	}
	return newPlainView(w)
}

// tick is how often the clocks and the connections of a cycle are shown anew.
// Nothing tells when they change.
const tick = time.Second

// follower shows instances until it is stopped.
type follower struct {
	// look asks for the state of the instances.
	look func(context.Context) ([]supervisor.Status, error)
	// changes tells when to look again; it is closed when nothing will.
	changes <-chan string
	view    liveView
	// unfinished is set where somebody else tells how a cycle ended: then only
	// cycles are shown, and the last picture of one stays.
	unfinished bool
	// record reads how a cycle was that is over.
	record func(id string) (*supervisor.Record, error)

	before []supervisor.Status
}

var errDaemonGone = errors.New("the daemon went away; nginx goes on without it")

// run shows what goes on until the context ends, which is no error.
func (f *follower) run(ctx context.Context) error {
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	defer signal.Stop(resized)
	return f.loop(ctx, resized)
}

func (f *follower) loop(ctx context.Context, resized <-chan os.Signal) error {
	f.view.begin()
	defer f.view.end()
	for {
		list, err := f.look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return f.lost(err)
		}
		f.show(list, time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-f.ticks(list):
		case <-resized:
			f.view.resized()
		case _, ok := <-f.changes:
			if !f.settle(ok) && ctx.Err() == nil {
				return errDaemonGone
			}
		}
	}
}

// together is how long changes are collected: several instances, or all that one
// step does, are one look.
const together = 20 * time.Millisecond

// settle takes the changes that come with one. It returns false when no more
// will come.
func (f *follower) settle(ok bool) bool {
	for end := time.After(together); ok; {
		select {
		case _, ok = <-f.changes:
		case <-end:
			return true
		}
	}
	return false
}

// lost tells a daemon that is gone from one that does not answer.
func (f *follower) lost(err error) error {
	// The question may fail a moment before the end of the changes is known.
	if !f.settle(true) {
		return errDaemonGone
	}
	return err
}

func (f *follower) ticks(list []supervisor.Status) <-chan time.Time {
	if slices.ContainsFunc(list, func(s supervisor.Status) bool { return s.Cycle != nil }) {
		return time.After(tick)
	}
	return nil
}

func (f *follower) show(list []supervisor.Status, now time.Time) {
	list = settled(f.before, list)
	over := f.completed(ended(f.before, list))
	if f.unfinished {
		if list = withCycle(list, over); len(list) > 0 {
			f.view.show(list, now)
		}
		f.before = list
		return
	}
	if len(over) > 0 {
		f.view.show(over, now)
	}
	for _, text := range endings(f.before, list, now) {
		f.view.keep(text)
	}
	f.before = list
	f.view.show(list, now)
}

// completed gives cycles that are over the steps that went by between two looks.
func (f *follower) completed(over []supervisor.Status) []supervisor.Status {
	for i, s := range over {
		if rec, err := f.record(s.Cycle.ID); err == nil {
			whole := *s.Cycle
			whole.Steps = rec.Steps
			if rec.Phase.IsWayBack() {
				whole.Reason = rec.Reason
			}
			over[i].Cycle = &whole
		}
	}
	return over
}

// last shows how it looks at the end, when run has returned.
func (f *follower) last() {
	ctx, cancel := context.WithTimeout(context.Background(), tick)
	defer cancel()
	if list, err := f.look(ctx); err == nil {
		f.show(list, time.Now())
	}
}
