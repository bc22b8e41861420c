package watch_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/watch"
)

// A binary is replaced in the way of a package manager: a new file is written beside it and renamed over its name.
func Example() {
	dir, err := os.MkdirTemp("", "watch")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "nginx")

	w := watch.New(watch.Options{Settle: 100 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go w.Run(ctx)

	w.Follow(binary) // from here on no change is missed: look at the state of things now, and at every poke

	if err := os.WriteFile(binary+".dpkg-new", []byte("#!/bin/sh\n"), 0o755); err != nil {
		log.Fatal(err)
	}
	if err := os.Rename(binary+".dpkg-new", binary); err != nil {
		log.Fatal(err)
	}

	poke := <-w.Pokes()
	fmt.Println("look again:", filepath.Base(poke.Path), poke.Reason)
	// Output: look again: nginx changed
}
