// Command floor carries out one upgrade as fast as it can be, see package floor,
// and prints its account as JSON. With -watch it sends nothing: it says "ready" on
// standard error, waits for the end of the master and prints when that was, in the
// same form.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/bench/floor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// limit is far beyond what an upgrade without connections takes.
const limit = 2 * time.Minute

func main() {
	master := flag.Int("master", 0, "`PID` of the old master")
	watch := flag.Bool("watch", false, "only wait for its end")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := run(ctx, *master, *watch, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, master int, watch bool, out, log io.Writer) (err error) {
	var a *floor.Account
	if watch {
		a, err = wait(ctx, master, log)
	} else {
		a, err = floor.Upgrade(ctx, master)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(a)
}

func wait(ctx context.Context, master int, log io.Writer) (*floor.Account, error) {
	p, err := nginx.Open(master)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	exited := p.Exited() // it is waited for from here on
	fmt.Fprintln(log, "ready")
	select {
	case <-exited:
	case <-ctx.Done():
	}
	a := &floor.Account{}
	a.Gone, err = floor.Gone(ctx, p)
	return a, err
}
