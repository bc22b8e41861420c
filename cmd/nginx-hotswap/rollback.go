package main

import (
	"github.com/spf13/cobra"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

func newRollback(p *places) *cobra.Command {
	u := &upgradeCommand{places: p, request: supervisor.Request{
		Action: supervisor.ActionRollback, Origin: supervisor.OriginCLI, Wait: supervisor.WaitVerdict}}
	cmd := &cobra.Command{
		Use:   "rollback [INSTANCE]",
		Short: "Go back to the version before",
		Long: `Go back to the version before. While a cycle runs the old master serves again
and the new one is dismissed. After a cycle the kept binary is put in place, and
a full cycle swaps to it.`,
		Args: atMostOne,
		RunE: u.run,
	}
	cmd.Flags().StringVar(&u.request.To, "to", "", "the kept build to go back to: a `VERSION` or a SHA-256")
	cmd.Flags().StringVar(&u.pidFile, "pid-file", "", "the master that this `FILE` names, with or without a unit")
	cmd.Flags().BoolVar(&u.json, "json", false, "answer in JSON")
	return cmd
}
