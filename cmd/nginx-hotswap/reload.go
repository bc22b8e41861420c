package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/bus"
)

// newReload is what ExecReload= runs: that of our own unit, where the daemon reads
// its configuration and upgrades what waits, and with --unit that of a unit of
// nginx. systemctl gets the exit status.
func newReload(p *places) *cobra.Command {
	unit := ""
	cmd := &cobra.Command{
		Use:    "reload",
		Short:  "Make the daemon read its configuration, then upgrade what waits",
		Hidden: true,
		Args:   noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if unit != "" {
				r := &unitReload{places: p, unit: unit, out: cmd.OutOrStdout()}
				return r.run(cmd.Context())
			}
			if err := p.reloadDaemon(cmd.Context()); err != nil {
				return err
			}
			u := &upgradeCommand{places: p, request: supervisor.Request{
				Origin: supervisor.OriginCLI, Wait: supervisor.WaitVerdict, IfRunning: true}}
			return u.run(cmd, nil)
		},
	}
	cmd.Flags().StringVar(&unit, "unit", "", "the reload of this `UNIT` of nginx")
	return cmd
}

func (p *places) reloadDaemon(ctx context.Context) error {
	client, err := bus.Dial(ctx, p.store.Runtime)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Reload(ctx)
}
