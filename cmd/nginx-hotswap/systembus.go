package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/bus"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
	"github.com/nginx-hotswap/nginx-hotswap/watch"
)

// retries are the pauses before the bus is tried again, although nothing has
// told that it is back: one that starts is not ready at once, and a policy that
// was just installed is not read at once. After the last one the socket has to
// be made anew.
var retries = []time.Duration{50 * time.Millisecond, 200 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second}

// lasting is what makes a connection more than an attempt.
const lasting = 5 * time.Second

// systemBus keeps the objects on the system bus. The daemon needs no bus, and is
// there for one whenever it comes.
type systemBus struct {
	server *bus.Server
	socket string
	log    *slog.Logger

	retry chan struct{} // try now
	tried chan struct{} // closed when the first attempt is over
	once  sync.Once
	told  string // what was said last
}

func newSystemBus(server *bus.Server, log *slog.Logger) *systemBus {
	return &systemBus{server: server, socket: systemd.BusSocket(), log: log, retry: make(chan struct{}, 1), tried: make(chan struct{})}
}

// run serves whenever there is a bus, until the context ends.
func (b *systemBus) run(ctx context.Context) error {
	w := watch.New(watch.Options{Settle: -1, Rescan: -1, Log: b.log})
	w.Follow(b.socket)
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	for failures := 0; ctx.Err() == nil; {
		began := time.Now()
		err := b.server.ServeSystemBus(ctx, b.socket, b.serving)
		switch {
		case ctx.Err() != nil:
		case err == nil:
			b.tell(slog.LevelInfo, "the system bus is gone; nginx is looked after all the same, and the objects come back with the bus", nil)
		default:
			b.missing(err)
		}
		b.once.Do(func() { close(b.tried) })
		if err == nil && time.Since(began) > lasting {
			failures = 0
			continue // systemd starts the bus when somebody connects
		}
		failures = b.pause(ctx, w.Pokes(), failures)
	}
	return <-ended
}

// pause waits for a reason to try again and returns how many attempts failed
// without one.
func (b *systemBus) pause(ctx context.Context, pokes <-chan watch.Poke, failures int) int {
	var again <-chan time.Time
	if failures < len(retries) {
		again = time.After(retries[failures])
	}
	select {
	case <-ctx.Done():
	case <-again:
		return failures + 1
	case <-pokes:
	case <-b.retry:
	}
	return 0
}

// serving is called when callers find us.
func (b *systemBus) serving() {
	level := slog.LevelDebug
	if b.told != "" {
		level = slog.LevelInfo // they were not
	}
	b.tell(level, "the objects are on the system bus", nil)
	b.once.Do(func() { close(b.tried) })
}

// missing tells why there is no bus for us. That there is none is ordinary, and
// no news once another thing was told.
func (b *systemBus) missing(err error) {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
		if b.told == "" {
			b.tell(slog.LevelInfo, "there is no system bus; commands reach the daemon by its own socket", nil)
		}
		return
	}
	b.tell(slog.LevelWarn, "the objects are not on the system bus; after a remedy: systemctl reload nginx-hotswap", err)
}

// tell says something once.
func (b *systemBus) tell(level slog.Level, text string, err error) {
	why, attrs := text, []any(nil)
	if err != nil {
		why, attrs = err.Error(), []any{"error", err}
		if e, ok := errors.AsType[dbus.Error](err); ok {
			why = e.Name // the text names the connection, which is another each time
		}
	}
	if why != b.told {
		b.told = why
		b.log.Log(context.Background(), level, text, attrs...)
	}
}

// again tries at once, for a person who has removed what was in the way.
func (b *systemBus) again() {
	select {
	case b.retry <- struct{}{}:
	default:
	}
}

// first waits for the end of the first attempt, so that callers find us when
// systemd says that we run. A bus that takes longer is not waited for.
func (b *systemBus) first(ctx context.Context) {
	select {
	case <-b.tried:
	case <-time.After(2 * time.Second):
	case <-ctx.Done():
	}
}

// instanceChanged tells those who follow an instance.
func (d *daemonProcess) instanceChanged(name string) {
	d.status.change(name)
	d.metrics.change(name)
	d.server.Changed(name)
}

// cycleFinished tells those who follow the cycles.
func (d *daemonProcess) cycleFinished(r *supervisor.Record) {
	d.finished(r)
	d.server.Finished(r)
}
