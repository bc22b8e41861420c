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
		Long: `Go back to the version before. While an upgrade runs the old master serves again
and the new one is dismissed. Afterwards the kept binary is put in place, and a
full upgrade leads to it. Without INSTANCE every instance of the host goes back.

The daemon does it. Where none runs the command does it itself, unless
Confirm=manual; then it stays until the other master is gone.

Exit status: 0 the earlier version serves, 1 failure, 2 usage, 3 rejected: the kept
build is not fit and nothing was touched, 4 rolled back: the kept build was tried
and does not serve, what ran before serves, 5 deferred or busy, 6 stuck: a person
is needed, 7 not running or cannot be swapped.`,
		Args: atMostOne,
		RunE: u.run,
	}
	cmd.Flags().StringVar(&u.request.To, "to", "", "the kept build to go back to: a `VERSION` or a SHA-256")
	cmd.Flags().StringVar(&u.pidFile, "pid-file", "", "the master that this `FILE` names, with or without a unit")
	cmd.Flags().BoolVar(&u.json, "json", false, "answer in JSON")
	return cmd
}
