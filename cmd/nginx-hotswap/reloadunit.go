package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/bus"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// unitReload is the reload of a unit of nginx that upgrades first, if something
// newer waits: the drop-in reload-upgrades.conf. A successor loads the
// configuration at its start, so after an upgrade nothing is left to be reloaded.
// Whatever keeps the upgrade from being done, the configuration is loaded.
type unitReload struct {
	*places
	unit string
	out  io.Writer
}

// askLimit is for a daemon that does not answer at all: that is no reason to
// leave the configuration unloaded.
const askLimit = 2 * time.Second

func (r *unitReload) run(ctx context.Context) error {
	out, err := r.upgrade(ctx)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		r.say("%v; the configuration is loaded without looking for a new binary", err)
	case out.Code == supervisor.ExitOK && out.Result != "":
		r.say("%s", out.Text)
		return nil
	case slices.Contains([]supervisor.Result{supervisor.Stuck, supervisor.Overtaken, supervisor.Lost}, out.Result):
		r.say("%s", out.Text)
		return exitError(cmp.Or(out.Code, supervisor.ExitFailure))
	case out.Code != supervisor.ExitOK:
		r.say("%s", out.Text)
	}
	return r.plainly(ctx)
}

func (r *unitReload) say(format string, args ...any) {
	fmt.Fprintf(r.out, "%s: %s\n", supervisor.InstanceName(r.unit), fmt.Sprintf(format, args...))
}

// upgrade asks the daemon. It does not do the cycle itself: systemd would end it
// with the reload.
func (r *unitReload) upgrade(ctx context.Context) (supervisor.Outcome, error) {
	if pid := mainPID(); pid != 0 && !nginx.IsMaster(pid) {
		// The daemon waits for this very reload, so that systemd finds the master.
		return supervisor.Outcome{}, fmt.Errorf("process %d, which systemd takes for the main one, is no master any more", pid)
	}
	client, err := bus.Dial(ctx, r.store.Runtime)
	if err != nil {
		return supervisor.Outcome{}, err
	}
	defer client.Close()
	instance, err := r.instance(ctx, client)
	if err != nil {
		return supervisor.Outcome{}, err
	}
	return client.Do(ctx, instance, supervisor.Request{
		Origin: supervisor.OriginCLI, Wait: supervisor.WaitVerdict, FromReload: true})
}

// instance finds the name that the daemon has for the unit.
func (r *unitReload) instance(ctx context.Context, client *bus.Client) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askLimit, errors.New("the daemon does not answer"))
	defer cancel()
	listed, err := client.Instances(ctx)
	if err != nil {
		return "", err
	}
	for _, l := range listed {
		if s, err := client.Status(ctx, l.Name); err == nil && s.Unit == r.unit {
			return l.Name, nil
		}
	}
	return "", fmt.Errorf("the daemon does not look after %s", r.unit)
}

// plainly tests the configuration and sends HUP, by the pid file as `nginx -s
// reload` does: in the middle of a cycle that names the version that serves. The
// test is made with the binary that runs: what is on disk may have been refused.
func (r *unitReload) plainly(ctx context.Context) error {
	unit := systemd.NewUnit(r.unit)
	state, err := unit.State(ctx)
	if err != nil {
		return err
	}
	master, err := nginx.Open(r.master(state))
	if err != nil {
		return fmt.Errorf("cannot reload %s: %w", r.unit, err)
	}
	defer master.Close()
	if !nginx.IsMaster(master.PID) {
		return fmt.Errorf("cannot reload %s: process %d is not an nginx master", r.unit, master.PID)
	}
	command, err := testCommand(master.PID, state)
	if err != nil {
		return fmt.Errorf("cannot test the configuration: %w", err)
	}
	result, err := unit.Run(ctx, command)
	if err != nil {
		return fmt.Errorf("cannot test the configuration: %w", err)
	}
	if result.Exit != 0 {
		return fmt.Errorf("the configuration is not loaded: %s", nginx.TestResult{Output: string(result.Output)}.Problem())
	}
	if err := master.Signal(unix.SIGHUP); err != nil {
		return err
	}
	r.say("HUP sent to master %d, which loads the configuration", master.PID)
	return nil
}

// master is the process that the pid file names, or the main process.
func (r *unitReload) master(state systemd.State) int {
	host, err := nginx.HostRoot()
	if err == nil && state.PIDFile != "" {
		defer host.Close()
		if pid, err := nginx.ReadPIDFile(host, state.PIDFile); err == nil {
			return pid
		}
	}
	return cmp.Or(mainPID(), state.MainPID)
}

// mainPID is what systemd tells ExecReload=.
func mainPID() int {
	pid, err := strconv.Atoi(os.Getenv("MAINPID"))
	if err != nil {
		return 0
	}
	return pid
}

// testCommand is `nginx -t` by the binary of a master and with its arguments.
func testCommand(pid int, state systemd.State) (systemd.Command, error) {
	argv, err := nginx.ReadArgv(pid)
	if errors.Is(err, nginx.ErrArgvLost) && len(state.ExecStart) > 0 {
		argv, err = slices.Clone(state.ExecStart), nil
	}
	if err != nil {
		return systemd.Command{}, err
	}
	dir, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil {
		return systemd.Command{}, err
	}
	exe, err := os.Stat(nginx.ExePath(pid))
	if err != nil {
		return systemd.Command{}, err
	}
	onDisk, err := os.Stat(fmt.Sprintf("/proc/%d/root%s", pid, argv[0]))
	if err != nil || !os.SameFile(exe, onDisk) {
		argv[0] = nginx.ExePath(pid)
	}
	return systemd.Command{Argv: nginx.TestArgv(argv), Dir: dir, Timeout: time.Minute}, nil
}
