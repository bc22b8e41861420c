package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/bus"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
	"github.com/nginx-hotswap/nginx-hotswap/watch"
)

func newDaemon(p *places) *cobra.Command {
	debug := false
	cmd := &cobra.Command{
		Use:   "daemon",
		Short: "Watch the binaries and upgrade the masters that run them",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			level := new(slog.LevelVar)
			if debug {
				level.Set(slog.LevelDebug)
			}
			return newDaemonProcess(p, slog.New(systemd.NewHandler(level)), level).run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&debug, "debug", false, "log more")
	return cmd
}

// daemonProcess is the daemon: it finds instances, gives each a supervisor,
// and passes on what the watcher and systemd tell. Its goroutine is the one
// that calls run; only instances is shared.
type daemonProcess struct {
	*places
	log        *slog.Logger
	notifier   *systemd.Notifier
	config     supervisor.Config
	builds     *supervisor.Builds
	line       *supervisor.Line
	alerts     *alerts
	status     *statusLine
	metrics    *metrics
	results    *resultUnits
	server     *bus.Server
	bus        *systemBus
	repose     repose
	foreground map[string]int // the master of a unit that was looked at last, see noteForeground

	changed  chan struct{}   // a supervisor has attached
	reloads  chan chan error // requests to read the configuration
	ctx      context.Context
	group    *errgroup.Group
	watcher  *watch.Watcher
	oldBins  *watch.Watcher
	unwatch  context.CancelFunc
	units    <-chan string
	unlisten context.CancelFunc
	held     <-chan time.Time // a unit whose restart is held off is set free
	told     <-chan time.Time // the status line is brought up to date

	mu        sync.Mutex
	instances map[string]supervised
}

func newDaemonProcess(p *places, log *slog.Logger, level *slog.LevelVar) *daemonProcess {
	d := &daemonProcess{places: p, log: log, notifier: systemd.NewNotifier(), builds: new(supervisor.Builds), alerts: newAlerts(), status: newStatusLine(),
		changed: make(chan struct{}, 1), reloads: make(chan chan error), instances: make(map[string]supervised), foreground: make(map[string]int)}
	d.metrics = newMetrics(log, d.statusesOf, d.history)
	d.results = newResultUnits(p.store.Runtime, log)
	d.server = &bus.Server{Instances: d.list, Reload: d.requestReload, Log: log, Level: level}
	d.bus = newSystemBus(d.server, log)
	return d
}

// run is the daemon from its start to its end.
func (d *daemonProcess) run(ctx context.Context) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, unix.SIGHUP)
	defer signal.Stop(hangups)
	alone, err := d.lockDaemon()
	if err != nil {
		return err
	}
	defer alone.Close()
	if d.config, err = d.load(d.log); err != nil {
		return err
	}
	d.line = supervisor.NewLine(d.config.Concurrency)
	if err := d.server.Listen(d.store.Runtime); err != nil {
		return err
	}
	d.group, d.ctx = errgroup.WithContext(ctx)
	d.group.Go(func() error {
		return d.alerts.run(d.ctx, func(err error) { d.log.Warn("cannot show an alert", "error", err) })
	})
	d.group.Go(func() error { return d.metrics.run(d.ctx) })
	d.group.Go(func() error { return d.results.run(d.ctx) })
	d.group.Go(func() error { return d.obey(hangups) })
	d.group.Go(d.loop)
	err = d.group.Wait()
	d.log.Info("stopped; nginx goes on without us")
	return err
}

// daemonLock is what the daemon holds locked, see flock(2), while it lives.
const daemonLock = "daemon.lock"

// lockDaemon makes sure that there is one daemon for a runtime directory.
func (d *daemonProcess) lockDaemon() (*os.File, error) {
	if err := os.MkdirAll(d.store.Runtime, 0o755); err != nil {
		return nil, fmt.Errorf("cannot start: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(d.store.Runtime, daemonLock), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot start: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, errors.New("cannot start: another daemon runs already")
	}
	return f, nil
}

// loop is the main loop. The watchdog is fed from here and from nowhere else.
func (d *daemonProcess) loop() error {
	if err := d.begin(); err != nil {
		return err
	}
	defer d.end()
	// Whoever has called meanwhile, or has started us by calling, finds the
	// instances.
	d.group.Go(func() error { return d.server.Serve(d.ctx) })
	d.group.Go(func() error { return d.bus.run(d.ctx) })
	var watchdog <-chan time.Time
	if interval := d.notifier.WatchdogInterval(); interval > 0 {
		ticker := time.NewTicker(interval / 2)
		defer ticker.Stop()
		watchdog = ticker.C
	}
	d.bus.first(d.ctx)
	d.say(d.notifier.Ready(d.summary()))
	for d.turn(watchdog) {
	}
	d.say(d.notifier.Stopping("stopping; nginx is not touched"))
	return nil
}

// turn waits for one thing to happen and deals with it. It is false when the
// daemon is to end.
func (d *daemonProcess) turn(watchdog <-chan time.Time) bool {
	select {
	case <-d.ctx.Done():
		return false
	case <-watchdog:
		d.say(d.notifier.Watchdog())
		d.repose.tick()
	case p := <-d.watcher.Pokes():
		d.passOn(p)
	case p := <-d.oldBins.Pokes():
		d.passOn(p)
	case unit, ok := <-d.units:
		if ok {
			d.unitChanged(unit)
		} else {
			d.units = nil
		}
	case <-d.changed:
		d.follow()
	case <-d.status.changed:
		if d.told == nil {
			d.told = time.After(statusPause)
		}
	case <-d.told:
		d.told = nil
		d.tellStatus()
	case <-d.held:
		d.endHolds()
	case answer := <-d.reloads:
		answer <- d.reload()
	}
	return true
}

// begin starts what the configuration asks for.
func (d *daemonProcess) begin() error {
	if err := d.listen(); err != nil {
		return err
	}
	d.metrics.configure(d.config.TextfileDirectory)
	d.results.configure(d.config.OnResultUnit)
	d.bus.again()
	d.watch()
	d.endHolds() // one that was left behind
	found, err := discover(d.ctx, d.config)
	if err != nil {
		return err
	}
	d.leave(found)
	for _, i := range found {
		d.start(i)
	}
	if len(found) == 0 {
		d.log.Info("there is no instance yet: no unit matches " + strings.Join(d.config.Units, " "))
	}
	return nil
}

func (d *daemonProcess) end() {
	d.unwatch()
	d.unlisten()
}

func (d *daemonProcess) say(err error) {
	if err != nil {
		d.log.Warn("cannot speak to systemd", "error", err)
	}
}
