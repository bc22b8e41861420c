package main

import (
	"github.com/spf13/cobra"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/bus"
)

// newReload is what ExecReload= of the unit runs: the daemon reads its
// configuration and upgrades what waits, and systemctl gets the exit status.
func newReload(p *places) *cobra.Command {
	return &cobra.Command{
		Use:    "reload",
		Short:  "Make the daemon read its configuration, then upgrade what waits",
		Hidden: true,
		Args:   noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := bus.Dial(cmd.Context(), p.store.Runtime)
			if err != nil {
				return err
			}
			defer client.Close()
			if err := client.Reload(cmd.Context()); err != nil {
				return err
			}
			u := &upgradeCommand{places: p, request: supervisor.Request{
				Origin: supervisor.OriginCLI, Wait: supervisor.WaitVerdict, IfRunning: true}}
			return u.run(cmd, nil)
		},
	}
}
