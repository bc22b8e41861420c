package main

import (
	"github.com/spf13/cobra"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/bus"
)

func newHold(p *places) *cobra.Command {
	return ask(p, supervisor.ActionHold, "Do nothing without being asked; survives restarts")
}

func newUnhold(p *places) *cobra.Command {
	return ask(p, supervisor.ActionUnhold, "Upgrade to new binaries again")
}

func newConfirm(p *places) *cobra.Command {
	return ask(p, supervisor.ActionConfirm, "With Confirm=manual: the new version stays, the old master may go")
}

// ask is a command that only a running daemon can carry out.
func ask(p *places, action supervisor.Action, short string) *cobra.Command {
	u := &upgradeCommand{places: p, request: supervisor.Request{Action: action, Origin: supervisor.OriginCLI, Wait: supervisor.WaitVerdict}}
	cmd := &cobra.Command{
		Use:   string(action) + " [INSTANCE]",
		Short: short,
		Args:  atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := bus.Dial(cmd.Context(), p.store.Runtime)
			if err != nil {
				return err
			}
			client.Close()
			return u.run(cmd, args)
		},
	}
	cmd.Flags().BoolVar(&u.json, "json", false, "answer in JSON")
	return cmd
}
