// Command observe watches one upgrade in the machine that it runs in, until
// standard input ends, and prints its account as JSON. See package observer.
//
// A line "ready" on standard error says that it has begun.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/bench/observer"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

func main() {
	if err := run(os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "observe:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out, log io.Writer) error {
	var o observer.Options
	var url string
	flag.IntVar(&o.Master, "master", 0, "`PID` of the old master")
	flag.StringVar(&o.Socket, "socket", "", "`PATH` of a unix socket on which it serves /")
	flag.StringVar(&url, "url", "", "`URL` of the same site for traffic, none by default")
	flag.BoolVar(&o.Quiet, "quiet", false, "no request until the old workers accept no more")
	flag.DurationVar(&o.KillAfter, "kill-after", 0, "kill the successor this `LONG` after that")
	flag.Parse()
	if url != "" {
		o.Load.Targets = targets(url, o.Socket)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, in) // an error ends the input as well
		cancel()
	}()
	account, err := observer.Watch(ctx, o, func() { fmt.Fprintln(log, "ready") })
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(account)
}

// targets are 400 new connections a second and as many requests on connections
// that are kept: enough to meet each worker every few milliseconds, and little
// enough to leave the processors to those who are measured.
func targets(url, socket string) []traffic.Target {
	const clients, interval = 4, 10 * time.Millisecond
	return []traffic.Target{
		{Kind: traffic.New, URL: url, Clients: clients, Interval: interval},
		{Kind: traffic.KeepAlive, URL: url, Clients: clients, Interval: interval},
		{Kind: traffic.Unix, URL: url, Unix: socket, Clients: clients, Interval: interval},
	}
}
