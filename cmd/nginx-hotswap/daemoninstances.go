package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// supervised is an instance that is looked after until leave is called.
type supervised struct {
	*supervisor.Supervisor
	leave context.CancelFunc
}

// start gives an instance a supervisor.
func (d *daemonProcess) start(i supervisor.InstanceConfig) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.instances[i.Name]; known {
		return
	}
	s := supervisor.New(i, supervisor.Options{Config: d.config, Store: d.store, Systemd: keeper(), Log: d.log,
		Builds: d.builds, Line: d.line, OnAttach: d.attached, OnAlert: d.alerts.set,
		OnChange: func() { d.instanceChanged(i.Name) }, OnFinish: d.cycleFinished})
	ctx, leave := context.WithCancel(d.ctx)
	d.instances[i.Name] = supervised{s, leave}
	d.instanceChanged(i.Name)
	d.attached() // not yet, but its pid file is to be watched for until then
	d.group.Go(func() error { return d.supervise(ctx, s) })
}

// leave ends what is done for instances that were taken out of the
// configuration. One in the middle of a cycle stays until the next reload. A
// unit that does not run at the moment was not taken out.
func (d *daemonProcess) leave(found []supervisor.InstanceConfig) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, s := range d.instances {
		named := slices.ContainsFunc(found, func(i supervisor.InstanceConfig) bool {
			return i.Name == name && i.PIDFile == s.PIDFile() && (i.Unit == "" || i.Unit == s.UnitName())
		})
		st := s.Status()
		if named || s.PIDFile() == "" && matches(d.config.Units, s.UnitName()) {
			continue
		}
		if st.Phase != supervisor.Idle {
			d.log.Warn(fmt.Sprintf("%s: it is not in the configuration any more, but in the middle of an upgrade, which goes on: "+
				"run `systemctl reload nginx-hotswap` once more when that has ended", name))
			continue
		}
		s.leave()
		delete(d.instances, name)
		d.alerts.set(name, "")
		d.instanceChanged(name)
		d.log.Info(name + ": it is not in the configuration any more, and not looked after from now on")
	}
}

// matches reports whether a unit is one of those that Units= names.
func matches(patterns []string, unit string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := path.Match(pattern, unit)
		return ok && err == nil
	})
}

// supervise runs a supervisor as soon as nobody else works on its instance.
func (d *daemonProcess) supervise(ctx context.Context, s *supervisor.Supervisor) error {
	lock, err := d.store.Lock(s.Name())
	for told := false; errors.Is(err, supervisor.ErrLocked); lock, err = d.store.Lock(s.Name()) {
		if !told {
			d.log.Info(s.Name() + ": waiting for a command that works on this instance")
			told = true
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
	if err != nil {
		return err
	}
	defer lock.Release()
	return s.Run(ctx)
}

// list returns the supervisors, by name.
func (d *daemonProcess) list() []*supervisor.Supervisor {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []*supervisor.Supervisor
	for _, name := range slices.Sorted(maps.Keys(d.instances)) {
		all = append(all, d.instances[name].Supervisor)
	}
	return all
}
