package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

func newCheckConfig(p *places) *cobra.Command {
	return &cobra.Command{
		Use:   "check-config [FILE]",
		Short: "Check the configuration; what the daemon would only warn about is an error here",
		Long: `Check the configuration: FILE, or the one of the daemon, with the drop-ins and the
instance.d that belong to it. What the daemon would only warn about is an error
here.

Exit status: 0 all is in order, 1 there is a mistake, 2 usage.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("one file at most, not %d", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			file := p.config
			if len(args) > 0 {
				file = args[0]
				// Only the default file may be missing.
				if _, err := os.Stat(file); err != nil {
					return fmt.Errorf("cannot read the configuration: %w", err)
				}
			}
			_, warnings, err := supervisor.LoadConfig(file)
			if err != nil {
				return err
			}
			for _, w := range warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), w)
			}
			if len(warnings) > 0 {
				return exitError(supervisor.ExitFailure)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), inOrder(file))
			return err
		},
	}
}

// inOrder does not praise a file that is not there: none is needed, but its name may
// be a slip.
func inOrder(file string) string {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return "there is no " + file + "; the defaults, its drop-ins and instance.d are in order"
	}
	return file + " and what belongs to it are in order"
}
