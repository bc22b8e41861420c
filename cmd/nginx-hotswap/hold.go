package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/bus"
)

const holdExit = `Exit status: 0 done, 1 failure, 2 usage, 7 nginx is not running and was never
looked after, or there is no instance at all.`

func newHold(p *places) *cobra.Command {
	return ask(p, supervisor.ActionHold, "Upgrade to nothing, not even when asked, until unhold", `Upgrade to nothing, not even when asked, until unhold. Only "upgrade --force" and
"rollback" still act; a plain upgrade ends with 5. It lasts over restarts of the
daemon and of the machine. Without INSTANCE all instances are held.

The daemon must run.

`+holdExit)
}

func newUnhold(p *places) *cobra.Command {
	return ask(p, supervisor.ActionUnhold, "Upgrade to new binaries again", `Upgrade to new binaries again. What came meanwhile is upgraded at once, unless
Automatic=no. Without INSTANCE all instances are meant.

The daemon must run.

`+holdExit)
}

func newConfirm(p *places) *cobra.Command {
	return ask(p, supervisor.ActionConfirm, "Keep the new version (Confirm=manual), or acknowledge a bad build", `While an upgrade runs, with Confirm=manual: the new version stays, the old master
may go.

While no upgrade runs: acknowledge that a build was rolled back or refused. Alerts
and package runs do not fail for it any more. Without INSTANCE all instances are
meant.

The daemon must run.

Exit status: 0 done, 1 failure, or there is nothing to confirm, 2 usage, 4 too late:
the old version comes back, 5 the verdict is not known yet, 7 nginx is not running,
or there is no instance at all.`)
}

// ask is a command that only a running daemon can carry out.
func ask(p *places, action supervisor.Action, short, long string) *cobra.Command {
	u := &upgradeCommand{places: p, request: supervisor.Request{Action: action, Origin: supervisor.OriginCLI, Wait: supervisor.WaitVerdict}}
	cmd := &cobra.Command{
		Use:   string(action) + " [INSTANCE]",
		Short: short,
		Long:  long,
		Args:  atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := bus.Dial(cmd.Context(), p.store.Runtime)
			if errors.Is(err, bus.ErrNoDaemon) {
				return fmt.Errorf("%w; `systemctl start nginx-hotswap` starts it", err)
			}
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
