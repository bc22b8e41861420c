package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/bus"
)

// completeLimit is for whoever waits with a finger on the tab key.
const completeLimit = 300 * time.Millisecond

// lookLimit is the same without the daemon. Tests of what is offered are in no hurry.
var lookLimit = completeLimit

// completions gives the commands what shells complete their arguments and flags
// with. What a shell cannot be told, for want of rights or of a daemon, is no
// error: there is nothing to choose from then.
func completions(root *cobra.Command, p *places) {
	for _, cmd := range root.Commands() {
		switch {
		case strings.HasSuffix(cmd.Use, "[INSTANCE]"):
			cmd.ValidArgsFunction = first(p.instanceNames)
		case strings.HasSuffix(cmd.Use, "[ID]"):
			cmd.ValidArgsFunction = first(p.cycleIDs)
		case !strings.HasSuffix(cmd.Use, "[FILE]"):
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
		for flag, values := range map[string]cobra.CompletionFunc{
			"to":     p.keptBuilds,
			"origin": chosen(askers...),
			"wait":   chosen(supervisor.WaitVerdict, supervisor.WaitDone),
		} {
			if cmd.Flags().Lookup(flag) == nil {
				continue
			}
			if err := cmd.RegisterFlagCompletionFunc(flag, values); err != nil {
				panic(err) // only for a flag that does not exist
			}
		}
	}
}

// askers are the origins that a command line may name.
var askers = []supervisor.Origin{supervisor.OriginCLI, supervisor.OriginBus, supervisor.OriginDpkg, supervisor.OriginRPM,
	supervisor.OriginInitscript, supervisor.OriginNeedrestart}

// commaList is how a help text names values.
func commaList[T ~string](words []T) string {
	var list []string
	for _, w := range words {
		list = append(list, string(w))
	}
	return strings.Join(list, ", ")
}

// chosen completes words that are known beforehand.
func chosen[T ~string](words ...T) cobra.CompletionFunc {
	var list []string
	for _, w := range words {
		list = append(list, string(w))
	}
	return cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp)
}

// first completes the first argument and no other.
func first(values func(ctx context.Context) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return beginning(values(cmd.Context()), toComplete), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

func beginning(list []string, with string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return !strings.HasPrefix(s, with) })
}

// instanceNames asks the daemon, and the configuration and systemd where that
// does not answer.
func (p *places) instanceNames(ctx context.Context) []string {
	names, err := within(ctx, completeLimit, p.daemonsInstances)
	if err == nil {
		return names
	}
	names, err = within(ctx, lookLimit, p.configuredInstances)
	if err != nil {
		return nil
	}
	return names
}

func (p *places) daemonsInstances(ctx context.Context) ([]string, error) {
	client, err := bus.Dial(ctx, p.store.Runtime)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	listed, err := client.Instances(ctx)
	var list []string
	for _, l := range listed {
		list = append(list, l.Name)
	}
	return list, err
}

func (p *places) configuredInstances(ctx context.Context) ([]string, error) {
	config, _, err := supervisor.LoadConfig(p.config)
	if err != nil {
		return nil, err
	}
	all, err := discover(ctx, config)
	return names(all), err
}

// within gives up on f when the time is over, whether it heeds its context or not.
func within(ctx context.Context, limit time.Duration, f func(context.Context) ([]string, error)) ([]string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errors.New("no answer in time"))
	defer cancel()
	type answer struct {
		list []string
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		list, err := f(ctx)
		done <- answer{list, err}
	}()
	select {
	case a := <-done:
		return a.list, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// cycleIDs are those of the history, the newest first.
func (p *places) cycleIDs(context.Context) []string {
	records, err := p.store.History(slog.New(slog.DiscardHandler))
	if err != nil {
		return nil
	}
	var list []string
	for _, r := range slices.Backward(records) {
		list = append(list, cobra.CompletionWithDesc(r.ID, fmt.Sprintf("%s %s to %s, %s", r.Instance, r.Old.Version, cmp.Or(r.Successor.Version, "-"), r.Result)))
	}
	return list
}

// keptBuilds are those in the vault of the instance that the command line names,
// or of all: by their version, or by their hash where that is not enough.
func (p *places) keptBuilds(_ *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	pattern := "*"
	if len(args) > 0 {
		pattern = supervisor.InstanceName(args[0])
	}
	dirs, err := filepath.Glob(filepath.Join(p.store.State, "vault", pattern))
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var list []string
	for _, dir := range dirs {
		list = append(list, buildNames(supervisor.Vault{Dir: dir})...)
	}
	slices.Sort(list)
	return beginning(slices.Compact(list), toComplete), cobra.ShellCompDirectiveNoFileComp
}

func buildNames(v supervisor.Vault) []string {
	builds, err := v.Builds()
	if err != nil {
		return nil
	}
	count := map[string]int{}
	for _, b := range builds {
		count[b.Version]++
	}
	var list []string
	for _, b := range builds {
		if count[b.Version] > 1 {
			list = append(list, cobra.CompletionWithDesc(b.SHA256[:16], "nginx "+b.Version))
			continue
		}
		list = append(list, cobra.CompletionWithDesc(b.Version, b.SHA256[:16]))
	}
	return list
}
