package main

import (
	"context"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

func upstreamCommand() *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use:   "upstream --listen ADDRESS",
		Short: "Run the echo server that streams are proxied to, until SIGINT or SIGTERM",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return serveUpstream(c.Context(), listen, c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:9000", "`ADDRESS`: HOST:PORT or unix:PATH")
	return c
}

// serveUpstream prints the address once connections are taken.
func serveUpstream(ctx context.Context, listen string, out io.Writer) error {
	ctx, unregister := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer unregister()
	u, err := traffic.EchoUpstream(listen)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, u.Addr())
	<-ctx.Done()
	return u.Close()
}
