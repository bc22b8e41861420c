package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

func contentCommand() *cobra.Command {
	var path, size string
	c := &cobra.Command{
		Use:   "content --path PATH --size SIZE",
		Short: "Write the body that a target with size= expects at a URL path",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			n, err := parseSize(size)
			if err != nil {
				return fmt.Errorf("cannot read --size: %w", err)
			}
			if _, err := io.Copy(c.OutOrStdout(), traffic.Content(path, n)); err != nil {
				return fmt.Errorf("cannot write the content: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringVar(&path, "path", "/big", "`PATH` of the URL")
	c.Flags().StringVar(&size, "size", "8MiB", "`SIZE` in bytes, KiB or MiB")
	return c
}
