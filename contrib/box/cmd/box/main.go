// Command box boots throwaway Debian machines with the real systemd, runs commands
// in them and shuts them down: what nginx-hotswap's tests do, by hand.
//
//	box up demo                      # a copy of this host
//	box up old --release bullseye    # a root of that release, built when needed
//	box exec demo -- systemctl start nginx
//	box down demo
//	box root trixie                  # print the directory of the root
//
// A machine that `box up` has booted runs until `box down`; its console is the file
// /run/nginx-hotswap-box-NAME.console. The exit status of `box exec` is that of the
// command in the machine; otherwise 1 is a failure.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// exitStatus is the end of a command that has said all it has to say.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	err := newCommand().ExecuteContext(ctx)
	stop()
	if status, ok := errors.AsType[exitStatus](err); ok {
		os.Exit(int(status))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "box:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "box",
		Short:         "Throwaway Debian machines with the real systemd",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.AddCommand(newUp(), newExec(), newDown(), newRoot())
	return cmd
}
