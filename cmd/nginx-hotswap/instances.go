package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// manager makes package systemd what a supervisor expects.
type manager struct{}

func (manager) Unit(name string) supervisor.Unit { return systemd.NewUnit(name) }

func (manager) UnitOf(ctx context.Context, pid int) (string, error) { return systemd.UnitOf(ctx, pid) }

func (manager) Run(ctx context.Context, c systemd.Command) (systemd.Result, error) {
	return systemd.Run(ctx, c)
}

// keeper is the machine's systemd, or nil.
func keeper() supervisor.Systemd {
	if !systemd.Booted() {
		return nil
	}
	return manager{}
}

// discover returns the instances that the configuration and systemd give: the
// units that match Units= and those of instance.d.
func discover(ctx context.Context, c supervisor.Config) ([]supervisor.InstanceConfig, error) {
	instances := slices.Clone(c.Instances)
	if !systemd.Booted() {
		return instances, nil
	}
	m, err := systemd.Dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot reach systemd: %w", err)
	}
	defer m.Close()
	units, err := m.Units(ctx, c.Units)
	if err != nil {
		return nil, err
	}
	for _, unit := range slices.DeleteFunc(units, isOurs) {
		name := supervisor.InstanceName(unit)
		pidFile, err := pidFileOf(ctx, c, unit)
		if err != nil {
			return nil, err
		}
		known := func(i supervisor.InstanceConfig) bool {
			return i.Name == name || i.Unit == unit || i.PIDFile != "" && i.PIDFile == pidFile
		}
		if slices.ContainsFunc(instances, known) {
			continue
		}
		i := c.Instance(name)
		i.Unit = unit
		instances = append(instances, i)
	}
	return instances, nil
}

// isOurs keeps nginx*.service from meaning the daemon, its alerts and the
// configuration tests.
func isOurs(unit string) bool {
	return unit == "nginx-hotswap.service" || strings.HasPrefix(unit, "nginx-hotswap-alert@") || strings.HasPrefix(unit, "nginx-hotswap-test-")
}

// pidFileOf returns the PIDFile= of a unit if that matters: the master of a unit
// may be an instance already that was given by its pid file, and two must not
// work on one master.
func pidFileOf(ctx context.Context, c supervisor.Config, unit string) (string, error) {
	if !slices.ContainsFunc(c.Instances, func(i supervisor.InstanceConfig) bool { return i.PIDFile != "" }) {
		return "", nil
	}
	state, err := systemd.NewUnit(unit).State(ctx)
	return state.PIDFile, err
}

// byPIDFile returns the instance of a pid file: one of the configuration, the
// unit that the master belongs to, or one that is named after the file.
func byPIDFile(ctx context.Context, c supervisor.Config, path string) (supervisor.InstanceConfig, error) {
	for _, i := range c.Instances {
		if i.PIDFile == path {
			return i, nil
		}
	}
	if unit := unitOfPIDFile(ctx, path); unit != "" {
		i := c.Instance(supervisor.InstanceName(unit))
		i.Unit = unit
		return i, nil
	}
	i := c.Instance(strings.ReplaceAll(strings.Trim(path, "/"), "/", "-"))
	i.PIDFile = path
	return i, nil
}

// unitOfPIDFile returns the unit whose main process the file names, or "".
func unitOfPIDFile(ctx context.Context, path string) string {
	unit, pid := processOf(ctx, path)
	if unit == "" {
		return ""
	}
	state, err := systemd.NewUnit(unit).State(ctx)
	if err != nil || state.MainPID != pid {
		return ""
	}
	return unit
}

// processOf returns the process that a pid file names and its service, which is empty
// where there is none. In the middle of an upgrade it is the successor and not the
// main process.
func processOf(ctx context.Context, path string) (unit string, pid int) {
	if path == "" || !systemd.Booted() {
		return "", 0
	}
	host, err := nginx.HostRoot()
	if err != nil {
		return "", 0
	}
	defer host.Close()
	if pid, err = nginx.ReadPIDFile(host, path); err != nil {
		return "", 0
	}
	unit, err = systemd.UnitOf(ctx, pid)
	if err != nil || !strings.HasSuffix(unit, ".service") {
		return "", 0
	}
	return unit, pid
}

// selected returns the instances that a command line means.
func (p *places) selected(ctx context.Context, c supervisor.Config, args []string, pidFile string) ([]supervisor.InstanceConfig, error) {
	if pidFile != "" {
		i, err := byPIDFile(ctx, c, pidFile)
		return []supervisor.InstanceConfig{i}, err
	}
	all, err := discover(ctx, c)
	if err != nil || len(args) == 0 {
		return all, err
	}
	name := supervisor.InstanceName(args[0])
	for _, i := range all {
		if i.Name == name || i.Unit == args[0] {
			return []supervisor.InstanceConfig{i}, nil
		}
	}
	return nil, unknownInstance(args[0], names(all))
}

func names(all []supervisor.InstanceConfig) []string {
	var list []string
	for _, i := range all {
		list = append(list, i.Name)
	}
	return list
}

// What is said where there is nothing to look after.
const (
	noInstance  = "no unit matches Units= and instance.d is empty"
	addInstance = "`nginx-hotswap doctor` tells how to add one"
)

// errUnknown says that we do not look after what was asked for.
var errUnknown = errors.New("there is no instance")

func unknownInstance(name string, known []string) error {
	if len(known) == 0 {
		return fmt.Errorf("%w %s, nor any other: %s; %s", errUnknown, name, noInstance, addInstance)
	}
	return fmt.Errorf("%w %s; there is %s", errUnknown, name, strings.Join(known, ", "))
}

// load reads the configuration for a command; warnings go to the log.
func (p *places) load(log *slog.Logger) (supervisor.Config, error) {
	c, warnings, err := supervisor.LoadConfig(p.config)
	for _, w := range warnings {
		log.Warn(w.String())
	}
	return c, err
}
