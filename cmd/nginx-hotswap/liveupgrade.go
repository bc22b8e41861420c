package main

import (
	"cmp"
	"context"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/bus"
)

// isCycle reports whether the command makes a cycle run, if there is reason to.
func (u *upgradeCommand) isCycle() bool {
	action := cmp.Or(u.request.Action, supervisor.ActionUpgrade)
	return !u.request.DryRun && (action == supervisor.ActionUpgrade || action == supervisor.ActionRollback)
}

// showDaemon shows what the daemon does, see showLive.
func (u *upgradeCommand) showDaemon(ctx context.Context, client *bus.Client, instances []string) (end func()) {
	if u.live == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	changes, err := client.Changes(ctx)
	if err != nil {
		cancel()
		return func() {}
	}
	shown := u.showLive(ctx, changes, func(ctx context.Context) ([]supervisor.Status, error) { return statusesOf(ctx, client, instances) })
	return func() {
		shown()
		cancel()
	}
}

// showLive shows the cycles of instances in the terminal, if there is one, until
// the function that it returns is called. The answer does not depend on it.
func (u *upgradeCommand) showLive(ctx context.Context, changes <-chan string, look func(context.Context) ([]supervisor.Status, error)) (end func()) {
	if u.live == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	f := &follower{look: look, view: viewOf(u.live.file, u.live), changes: changes, unfinished: true, record: u.store.Record}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = f.run(ctx) // whoever waits for the answer is told what is wrong
	}()
	return func() {
		cancel()
		<-ended
		f.last()
	}
}
