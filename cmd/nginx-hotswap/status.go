package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/bus"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

func newStatus(p *places) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "status [INSTANCE]",
		Short: "Show what runs, what is on disk, and what goes on",
		Args:  atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			list, daemon, err := p.statuses(cmd.Context(), args)
			if err != nil {
				return err
			}
			if asJSON {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				return encoder.Encode(list)
			}
			return printStatus(cmd.OutOrStdout(), list, daemon, time.Now())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// statuses asks the daemon, or looks itself where there is none.
func (p *places) statuses(ctx context.Context, args []string) (list []supervisor.Status, daemon bool, err error) {
	list = []supervisor.Status{}
	client, err := bus.Dial(ctx, p.store.Runtime)
	if errors.Is(err, bus.ErrNoDaemon) {
		list, err = p.look(ctx, args)
		return list, false, err
	}
	if err != nil {
		return nil, false, err
	}
	defer client.Close()
	listed, err := client.Instances(ctx)
	if err != nil {
		return nil, true, err
	}
	chosen, err := choose(listed, args, "")
	if err != nil {
		return nil, true, err
	}
	for _, name := range chosen {
		s, err := client.Status(ctx, name)
		if err != nil {
			return nil, true, err
		}
		list = append(list, s)
	}
	return list, true, nil
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

func printStatus(w io.Writer, list []supervisor.Status, daemon bool, now time.Time) error {
	if !daemon {
		fmt.Fprintln(w, "The daemon is not running: this is what the processes and files say.")
	}
	if len(list) == 0 {
		fmt.Fprintln(w, "There is no instance: no unit matches Units= and instance.d is empty.")
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "INSTANCE\tRUNNING\tMASTER\tSINCE\tDISK\tPHASE\tLAST CYCLE")
	for _, s := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, orDash(s.Running.Version), pidOrDash(s.MainPID),
			sinceText(s.Running.Since, now), diskText(s), s.Phase, lastText(s.Last, now))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, s := range list {
		printDetails(w, s)
	}
	return nil
}

// printDetails explains what the line in the table cannot: why something waits,
// and both generations while there are two.
func printDetails(w io.Writer, s supervisor.Status) {
	if s.Reason != "" {
		fmt.Fprintf(w, "\n%s: %s\n", s.Name, s.Reason)
	}
	if len(s.Masters) < 2 {
		return
	}
	fmt.Fprintln(w)
	for _, m := range s.Masters {
		fmt.Fprintf(w, "%s: %s master %d, nginx %s\n", s.Name, m.Role, m.PID, m.Version)
		for i, worker := range m.Workers {
			branch := "├─"
			if i == len(m.Workers)-1 {
				branch = "└─"
			}
			state := "accepts"
			if worker.Draining {
				state = "drains"
			}
			connections := "connections"
			if worker.Connections == 1 {
				connections = "connection"
			}
			fmt.Fprintf(w, "  %s worker %d %s, %d %s\n", branch, worker.PID, state, worker.Connections, connections)
		}
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func pidOrDash(pid int) string {
	if pid == 0 {
		return "-"
	}
	return fmt.Sprint(pid)
}

func diskText(s supervisor.Status) string {
	switch {
	case s.MainPID == 0:
		return "-"
	case s.Running.SHA256 == "" || s.Disk.SHA256 == "":
		return "?"
	case s.Disk.SHA256 == s.Running.SHA256:
		return "same"
	case s.Disk.Version != "":
		return s.Disk.Version
	}
	return "differs"
}

func sinceText(t *time.Time, now time.Time) string {
	if t == nil {
		return "-"
	}
	return agoText(now.Sub(*t)) + " ago"
}

func lastText(last *supervisor.LastStatus, now time.Time) string {
	if last == nil {
		return "-"
	}
	return fmt.Sprintf("%s %s", last.Result, sinceText(last.Finished, now))
}

func agoText(d time.Duration) string {
	switch d = max(d, 0); { // the clock may have been set back
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dmin", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
