package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/bus"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

func newStatus(p *places) *cobra.Command {
	asJSON, follow := false, false
	cmd := &cobra.Command{
		Use:   "status [INSTANCE]",
		Short: "Show what runs, what is on disk, and what goes on",
		Long: `Show what runs, what is on disk, and what goes on. Without INSTANCE all instances
are shown. Without the daemon it looks for itself; --follow needs the daemon.

Exit status: 0 it could answer, whatever it says, 1 it could not, or with --follow
the daemon has gone, 2 usage.`,
		Args: atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			if follow && asJSON {
				return usageError{errors.New("--follow and --json exclude each other")}
			}
			if follow {
				return p.follow(cmd.Context(), cmd.OutOrStdout(), args)
			}
			list, daemon, err := p.statuses(cmd.Context(), args)
			if err != nil {
				return err
			}
			if asJSON {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				return encoder.Encode(list)
			}
			return printStatus(cmd.OutOrStdout(), list, daemon, time.Now(), page(cmd.OutOrStdout()))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&follow, "follow", false, "go on showing it, until interrupted")
	return cmd
}

// statuses asks the daemon, or looks itself where there is none.
func (p *places) statuses(ctx context.Context, args []string) (list []supervisor.Status, daemon bool, err error) {
	client, err := bus.Dial(ctx, p.store.Runtime)
	if errors.Is(err, bus.ErrNoDaemon) {
		list, err = p.look(ctx, args)
		return list, false, err
	}
	if err != nil {
		return nil, false, err
	}
	defer client.Close()
	list, err = tellAll(ctx, client, args)
	return list, true, err
}

// tellAll asks the daemon for the state of the instances that a command line means.
func tellAll(ctx context.Context, client *bus.Client, args []string) ([]supervisor.Status, error) {
	listed, err := client.Instances(ctx)
	if err != nil {
		return nil, err
	}
	chosen, err := chooseOrAsk(ctx, client, listed, args, "")
	if err != nil {
		return nil, err
	}
	return statusesOf(ctx, client, chosen)
}

func statusesOf(ctx context.Context, client *bus.Client, instances []string) ([]supervisor.Status, error) {
	list := []supervisor.Status{}
	for _, name := range instances {
		s, err := client.Status(ctx, name)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

func (p *places) look(ctx context.Context, args []string) ([]supervisor.Status, error) {
	config, err := p.load(slog.New(systemd.NewHandler(slog.LevelWarn)))
	if err != nil {
		return nil, err
	}
	chosen, err := p.selected(ctx, config, args, "")
	if err != nil {
		return nil, err
	}
	list := []supervisor.Status{}
	for _, i := range chosen {
		s := supervisor.New(i, supervisor.Options{Config: config, Store: p.store, Systemd: keeper()})
		list = append(list, s.Peek(ctx))
	}
	return list, nil
}

// withoutDaemon says how little others than root can see: not even which binary runs.
func withoutDaemon(user int) string {
	if user != 0 {
		return "The daemon is not running: this is what processes and files say to others than root; run it with sudo."
	}
	return "The daemon is not running: this is what the processes and files say."
}

func printStatus(w io.Writer, list []supervisor.Status, daemon bool, now time.Time, c canvas) error {
	if !daemon {
		fmt.Fprintln(w, withoutDaemon(os.Geteuid()))
	}
	for _, text := range render(list, now, c) {
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	return nil
}

// follow shows the instances until it is interrupted.
func (p *places) follow(ctx context.Context, w io.Writer, args []string) error {
	client, err := bus.Dial(ctx, p.store.Runtime)
	if errors.Is(err, bus.ErrNoDaemon) {
		return fmt.Errorf("%w, so there is nothing to follow (`systemctl start nginx-hotswap`)", err)
	}
	if err != nil {
		return err
	}
	defer client.Close()
	changes, err := client.Changes(ctx)
	if err != nil {
		return err
	}
	f := &follower{view: viewOf(w, terminalOf(w)), changes: changes, record: p.store.Record}
	f.look = func(ctx context.Context) ([]supervisor.Status, error) {
		list, err := tellAll(ctx, client, args)
		if err != nil { // an instance may have gone between two questions
			return tellAll(ctx, client, args)
		}
		return list, nil
	}
	return f.run(ctx)
}
