package observer

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// Options say what to watch and what to do.
type Options struct {
	Master int    // the old master
	Socket string // a unix socket on which it serves
	// Load is the traffic beside the observer's own client.
	Load traffic.Config
	// Quiet keeps both away until old has shifted: the first request of the
	// successor is one that old would not take any more.
	Quiet bool
	// KillAfter, if not 0, is when the successor is killed after the shift.
	KillAfter time.Duration
}

// observer collects what is seen.
type observer struct {
	Options
	account    Account
	events     chan Event
	shifted    chan struct{} // closed
	background sync.WaitGroup
}

// Watch watches until ctx ends. It calls ready when it has begun.
func Watch(ctx context.Context, o Options, ready func()) (*Account, error) {
	ob := &observer{Options: o, events: make(chan Event, 64), shifted: make(chan struct{})}
	old, err := nginx.Open(o.Master)
	if err != nil {
		return nil, err
	}
	defer old.Close()
	c := &client{observer: ob}
	if ob.account.Server, err = c.ask(); err != nil {
		return nil, err
	}
	w, err := newWatcher(ob, old.ID)
	if err != nil {
		return nil, err
	}
	defer w.release()
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ob.background.Go(func() { cancel(w.run(within)) })
	ob.background.Go(func() { cancel(ob.request(within, c)) })
	go func() {
		ob.background.Wait()
		close(ob.events)
	}()
	ready()
	for e := range ob.events {
		ob.account.Events = append(ob.account.Events, e)
	}
	// An end is told a little later than it is seen, with its cause.
	slices.SortStableFunc(ob.account.Events, func(a, b Event) int { return a.At.Compare(b.At) })
	if ctx.Err() == nil {
		return nil, context.Cause(within)
	}
	return &ob.account, nil
}

// tell takes down an event that is observed now.
func (o *observer) tell(what What, side Side, pid int, text string) {
	o.events <- Event{time.Now(), what, side, pid, text}
}

// request makes the load and the requests of the client.
func (o *observer) request(ctx context.Context, c *client) error {
	if o.Quiet {
		select {
		case <-o.shifted:
		case <-ctx.Done():
		}
	}
	if ctx.Err() == nil && len(o.Load.Targets) > 0 {
		load, err := traffic.Start(o.Load)
		if err != nil {
			return err
		}
		defer func() { o.account.Traffic = load.Stop() }()
	}
	c.run(ctx)
	return nil
}
