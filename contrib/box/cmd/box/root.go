package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
)

func newRoot() *cobra.Command {
	return &cobra.Command{
		Use:   "root RELEASE",
		Short: "Print the directory of a Debian release's root, which is built when needed",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			root, err := box.Root(cmd.Context(), args[0], cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), root)
			return err
		},
	}
}
