package main

import (
	"context"
	"errors"
	"os/exec"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
)

func newExec() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exec NAME -- COMMAND [ARG...]",
		Short: "Run a command in a machine and exit with its status",
		Args:  cobra.MinimumNArgs(2),
	}
	// What follows NAME is the command's, also without "--".
	cmd.Flags().SetInterspersed(false)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		b, err := box.Attach(args[0])
		if err != nil {
			return err
		}
		command := args[1:]
		if command[0] == "--" {
			command = command[1:]
		}
		if len(command) == 0 {
			return errors.New("no command to run: box exec NAME -- COMMAND")
		}
		c := b.Command(cmd.Context(), command[0], command[1:]...)
		c.Stdin, c.Stdout, c.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
		return status(cmd.Context(), c.Run())
	}
	return cmd
}

// status turns the end of a command in the machine into that of this one.
func status(ctx context.Context, err error) error {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || ctx.Err() != nil {
		return err
	}
	if w, ok := exit.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return exitStatus(128 + int(w.Signal()))
	}
	return exitStatus(exit.ExitCode())
}
