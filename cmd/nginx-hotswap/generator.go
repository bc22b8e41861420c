package main

import (
	"io"
	"log/slog"

	"github.com/spf13/cobra"
)

// newGenerator is called by systemd as described in systemd.generator(7). It
// says nothing and never fails: then the unit is as it would be without us.
func newGenerator(p *places) *cobra.Command {
	return &cobra.Command{
		Use:    "generator NORMAL-DIRECTORY [EARLY-DIRECTORY LATE-DIRECTORY]",
		Short:  "Hold off the restart of nginx by a package that is being configured",
		Hidden: true,
		Args:   cobra.RangeArgs(1, 3),
		RunE: func(_ *cobra.Command, args []string) error {
			hold := p.newPackageHold()
			if !hold.daemonLives() {
				return nil
			}
			config, err := p.load(slog.New(slog.NewTextHandler(io.Discard, nil)))
			if err != nil {
				return nil
			}
			name, units := hold.units(config)
			for _, unit := range units {
				if writeHold(args[0], unit, name) != nil {
					return nil
				}
			}
			return nil
		},
	}
}
