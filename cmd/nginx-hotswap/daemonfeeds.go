package main

import (
	"context"
	"os"
	"slices"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
	"github.com/nginx-hotswap/nginx-hotswap/watch"
)

// watch starts the watcher.
func (d *daemonProcess) watch() {
	settle := d.config.SettleSec
	if settle == 0 {
		settle = -1 // no wait; 0 would be the watcher's default
	}
	w := watch.New(watch.Options{Settle: settle, Log: d.log})
	// Whoever sends USR2 to a master may send QUIT a few seconds later.
	oldBins := watch.New(watch.Options{Settle: -1, Log: d.log})
	ctx, cancel := context.WithCancel(d.ctx)
	d.watcher, d.oldBins, d.unwatch = w, oldBins, cancel
	d.group.Go(func() error { return w.Run(ctx) })
	d.group.Go(func() error { return oldBins.Run(ctx) })
}

// listen starts the feed of changes of units.
func (d *daemonProcess) listen() error {
	ctx, cancel := context.WithCancel(d.ctx)
	d.unlisten = cancel
	if !systemd.Booted() {
		return nil
	}
	patterns := slices.Clone(d.config.Units)
	for _, i := range d.config.Instances {
		if i.Unit != "" {
			patterns = append(patterns, i.Unit)
		}
	}
	var err error
	d.units, err = systemd.Changes(ctx, patterns)
	return err
}

func (d *daemonProcess) attached() {
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// follow tells the watcher what there is to watch.
func (d *daemonProcess) follow() {
	var paths, oldBins []string
	for _, s := range d.list() {
		paths = append(paths, s.WatchPaths()...)
		if path := s.OldBinPath(); path != "" {
			oldBins = append(oldBins, path)
		}
	}
	d.watcher.Follow(paths...)
	d.oldBins.Follow(oldBins...)
	// What came between the look of a supervisor and the watch is not told:
	// a second look costs a stat.
	for _, s := range d.list() {
		s.Poke()
		d.noteForeground(s)
	}
	d.say(d.notifier.Status(d.summary()))
}

// noteForeground tells the generator whether the restart of a unit may be held off.
func (d *daemonProcess) noteForeground(s *supervisor.Supervisor) {
	unit, pid := s.UnitName(), s.Outline().MainPID
	if unit == "" || pid == 0 || d.foreground[unit] == pid {
		return
	}
	if err := d.newPackageHold().noteForeground(unit, pid); err != nil {
		d.log.Warn(s.Name()+": cannot let its package restart it", "error", err)
		return
	}
	d.foreground[unit] = pid
}

// passOn pokes the instances that run the file.
func (d *daemonProcess) passOn(p watch.Poke) {
	d.log.Debug("the watcher pokes", "path", p.Path, "reason", p.Reason)
	for _, s := range d.list() {
		if s.OldBinPath() == p.Path || slices.Contains(s.WatchPaths(), p.Path) {
			s.Poke()
		}
	}
}

// unitChanged pokes the instance of a unit, or makes it one.
func (d *daemonProcess) unitChanged(unit string) {
	d.noticeHolds()
	for _, s := range d.list() {
		if s.UnitName() == unit {
			s.Poke()
			return
		}
	}
	found, err := discover(d.ctx, d.config)
	if d.ctx.Err() != nil {
		return
	}
	if err != nil {
		d.log.Warn("cannot look for new units", "error", err)
		return
	}
	for _, i := range found {
		d.start(i)
	}
}

// holdLasts is how long the restart of a unit stays held off. The script that it
// is meant for comes to it within milliseconds after systemctl daemon-reload.
const holdLasts = 2 * time.Second

// noticeHolds makes sure that a hold does not outlast the script that it is
// meant for, whatever became of that. As long as the script runs, the
// generator writes it anew, but not for ever.
func (d *daemonProcess) noticeHolds() (held bool) {
	found, err := holds(generatorOutput)
	held = err == nil && len(found) > 0
	if held && d.held == nil {
		d.held = time.After(holdLasts)
	}
	return held
}

func (d *daemonProcess) endHolds() {
	d.held = nil
	if err := liftHolds(d.ctx); err != nil {
		d.log.Warn("cannot lift the hold on a unit; do it by hand: systemctl daemon-reload", "error", err)
		return
	}
	if err := d.newPackageHold().again(d.noticeHolds()); err != nil {
		d.log.Warn("cannot remember that a unit is held again", "error", err)
	}
}

// requestReload asks the main loop to read the configuration.
func (d *daemonProcess) requestReload() error {
	answer := make(chan error, 1)
	select {
	case d.reloads <- answer:
		return <-answer
	case <-d.ctx.Done():
		return context.Cause(d.ctx)
	}
}

// obey reads the configuration at each SIGHUP, as daemons do, see daemon(7). What
// waits for a person goes on waiting, other than at `nginx-hotswap reload`.
func (d *daemonProcess) obey(hangups <-chan os.Signal) error {
	for {
		select {
		case <-d.ctx.Done():
			return nil
		case <-hangups:
			_ = d.requestReload() // reload says what went wrong
		}
	}
}

// reload reads the configuration; with an error in it the old one stays.
func (d *daemonProcess) reload() error {
	config, err := d.load(d.log)
	if err != nil {
		d.log.Error("the configuration is not used, the old one stays", "error", err)
		return err
	}
	d.end()
	d.config = config
	d.line.Resize(config.Concurrency)
	for _, s := range d.list() {
		s.Configure(config)
	}
	err = d.begin()
	d.follow() // those that are known already go on
	if err != nil {
		d.log.Error("the configuration was read, but units cannot be looked for; reload again", "error", err)
		return err
	}
	d.log.Info("the configuration was read")
	return nil
}
