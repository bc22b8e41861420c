package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
)

func newUp() *cobra.Command {
	var o box.Options
	var release string
	cmd := &cobra.Command{
		Use:   "up NAME [--base DIR | --release NAME]",
		Short: "Boot a machine that runs until `box down NAME`",
		Args:  cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&o.Base, "base", "/", "the `directory` that the machine is an overlay over")
	cmd.Flags().StringVar(&release, "release", "", "use the root of this Debian `release` as the base")
	cmd.MarkFlagsMutuallyExclusive("base", "release")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		o.Name, o.Detach = args[0], true
		if release != "" {
			if o.Base, err = box.Root(cmd.Context(), release, cmd.ErrOrStderr()); err != nil {
				return err
			}
		}
		began := time.Now()
		b, err := box.Up(cmd.Context(), o)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "box %s is up after %v, its PID 1 is %d\n",
			b.Name(), time.Since(began).Round(time.Millisecond), b.Leader())
		return err
	}
	return cmd
}
