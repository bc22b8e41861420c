package main

import (
	"github.com/spf13/cobra"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
)

func newDown() *cobra.Command {
	return &cobra.Command{
		Use:   "down NAME",
		Short: "Shut a machine down and remove all of it",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			b, err := box.Attach(args[0])
			if err != nil {
				return err
			}
			return b.Down()
		},
	}
}
