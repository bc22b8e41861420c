package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/bus"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// exitWarnings is the exit status of doctor when the worst is a warning.
const exitWarnings = 3

func newDoctor(p *places) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "doctor [INSTANCE]",
		Short: "Look for what would keep an upgrade from going well, and say what to do",
		Long: `Look for what would keep an upgrade from going well, and say what to do. Nobody is
signalled and nothing is changed. Without INSTANCE all instances are examined. It
needs no daemon.

Exit status: 0 nothing has to be done, 3 there are warnings, 1 there are failures,
or it could not look, 2 usage.`,
		Args: atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := p.examine(cmd.Context(), args)
			if err != nil {
				return err
			}
			if asJSON {
				err = printFindingsJSON(cmd.OutOrStdout(), found)
			} else {
				err = printFindings(cmd.OutOrStdout(), found, page(cmd.OutOrStdout()))
			}
			if code := doctorCode(found); err == nil && code != supervisor.ExitOK {
				return exitError(code)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// doctorCode is the exit status, by the worst.
func doctorCode(found []supervisor.Finding) int {
	has := func(level supervisor.Level) bool {
		return slices.ContainsFunc(found, func(f supervisor.Finding) bool { return f.Level == level })
	}
	switch {
	case has(supervisor.LevelFailure):
		return supervisor.ExitFailure
	case has(supervisor.LevelWarning):
		return exitWarnings
	}
	return supervisor.ExitOK
}

// The checks of the host that are made here, besides supervisor.HostChecks.
const (
	checkConfiguration = "configuration"
	checkDaemon        = "daemon"
	checkInstances     = "instances"
	checkScripts       = "maintainer-scripts"
	checkHooks         = "package-hooks"
	checkNeedrestart   = "needrestart"
)

// examine makes all checks, those of the host first.
func (p *places) examine(ctx context.Context, args []string) ([]supervisor.Finding, error) {
	c, configuration := p.examineConfig()
	daemon, running := p.examineDaemon(ctx)
	found := append([]supervisor.Finding{configuration, running}, supervisor.ExamineHost(daemon, c)...)
	chosen, err := p.selected(ctx, c, args, "")
	if err != nil {
		return nil, err
	}
	h := hostHooks{root: "/", config: c, units: unitsOf(chosen), booted: systemd.Booted()}
	found = append(found, p.examineInstances(chosen), h.scripts(), h.hooks(), h.needrestart())
	for _, i := range chosen {
		// What it logs are the same findings in other words.
		s := supervisor.New(i, supervisor.Options{Config: c, Store: p.store, Systemd: keeper(), Log: slog.New(slog.DiscardHandler)})
		found = append(found, s.Examine(ctx, daemon)...)
	}
	return found, nil
}

// examineInstances says so when there is nothing to look after.
func (p *places) examineInstances(chosen []supervisor.InstanceConfig) supervisor.Finding {
	if len(chosen) > 0 {
		return supervisor.Finding{Check: checkInstances, Level: supervisor.LevelOK, Text: counted(len(chosen), "instance") + " to look after"}
	}
	return supervisor.Finding{Check: checkInstances, Level: supervisor.LevelWarning,
		Text: "nothing is looked after: " + noInstance,
		Remedy: "add the unit of your nginx to Units= of [Supervisor], or name its pid file:\n" +
			`printf '[Instance]\nPIDFile=/path/to/nginx.pid\n' >` + filepath.Join(filepath.Dir(p.config), "instance.d", "NAME.conf") +
			" && systemctl reload nginx-hotswap"}
}

func unitsOf(instances []supervisor.InstanceConfig) []string {
	var units []string
	for _, i := range instances {
		if i.Unit != "" {
			units = append(units, i.Unit)
		}
	}
	return units
}

// examineConfig reads the configuration as check-config does. With a broken one
// the rest is looked at as if there were none.
func (p *places) examineConfig() (supervisor.Config, supervisor.Finding) {
	found := supervisor.Finding{Check: checkConfiguration, Level: supervisor.LevelFailure}
	c, warnings, err := supervisor.LoadConfig(p.config)
	switch {
	case err != nil:
		c, found.Text = supervisor.Defaults(), err.Error()
		found.Remedy = "correct it, then: nginx-hotswap check-config && systemctl reload-or-restart nginx-hotswap"
	case len(warnings) > 0:
		found.Text = warnings[0].String()
		if more := len(warnings) - 1; more > 0 {
			found.Text += fmt.Sprintf(" (and %d more)", more)
		}
		found.Remedy = "correct it, then: nginx-hotswap check-config && systemctl reload nginx-hotswap"
	default:
		found.Level, found.Text = supervisor.LevelOK, inOrder(p.config)
	}
	return c, found
}

// examineDaemon returns the daemon's pid, or 0.
func (p *places) examineDaemon(ctx context.Context) (int, supervisor.Finding) {
	found := supervisor.Finding{Check: checkDaemon, Level: supervisor.LevelFailure}
	client, err := bus.Dial(ctx, p.store.Runtime)
	if errors.Is(err, bus.ErrNoDaemon) {
		found.Level, found.Text, found.Remedy = supervisor.LevelWarning, "it does not run: nothing is upgraded by itself", startDaemon()
		return 0, found
	}
	pid := 0
	if err == nil {
		client.Close()
		pid, err = p.daemonPID(ctx)
	}
	if errors.Is(err, fs.ErrPermission) {
		found.Text, found.Remedy = err.Error(), "sudo nginx-hotswap doctor"
		return 0, found
	}
	if err != nil {
		found.Text, found.Remedy = err.Error(), "systemctl status nginx-hotswap"
		return 0, found
	}
	found.Level, found.Text = supervisor.LevelOK, fmt.Sprintf("it runs, pid %d", pid)
	return pid, found
}

func startDaemon() string {
	if systemd.Booted() {
		return "systemctl enable --now nginx-hotswap"
	}
	return "nginx-hotswap daemon & # there is no systemd"
}

// daemonPID asks the kernel who listens on the daemon's socket: that is right
// without systemd, too.
func (p *places) daemonPID(ctx context.Context) (pid int, err error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", filepath.Join(p.store.Runtime, bus.Socket))
	if err != nil {
		return 0, fmt.Errorf("cannot reach the daemon: %w", err)
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *unix.Ucred
	var got error
	if err := raw.Control(func(fd uintptr) { peer, got = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return 0, err
	}
	if got != nil {
		return 0, fmt.Errorf("cannot tell the pid of the daemon: %w", got)
	}
	return int(peer.Pid), nil
}
