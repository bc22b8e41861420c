package main

import (
	"context"
	"os"
)

// The ways in which an nginx that runs gets another program or configuration.
const (
	wayRestart    = "`systemctl restart nginx`"
	wayPackage    = "package upgrade as it is"
	wayScript     = "`/etc/init.d/nginx upgrade`"
	wayReload     = "`systemctl reload nginx`"
	wayFloor      = "bare procedure at its floor"
	wayWatcher    = "nginx-hotswap, by its watcher"
	wayOurPackage = "nginx-hotswap, package upgrade"
)

// way is one of them.
type way struct {
	name  string
	ours  bool // in the machine with nginx-hotswap
	ready func(context.Context, *machine) error
	act   func(context.Context, *machine) error
}

var ways = []way{
	{wayRestart, false, nil, script("systemctl restart nginx")},
	{wayPackage, false, repository, upgradePackages},
	{wayScript, false, nil, landing(script("/etc/init.d/nginx upgrade"))},
	{wayReload, false, nil, script("systemctl reload nginx")},
	{wayFloor, false, nil, landing(func(ctx context.Context, m *machine) error {
		_, err := m.floor(ctx, "nginx")
		return err
	})},
	{wayWatcher, true, nil, cycleOf(landing(nothing))},
	{wayOurPackage, true, repository, cycleOf(upgradePackages)},
}

// script is a way that consists of a command.
func script(text string) func(context.Context, *machine) error {
	return func(ctx context.Context, m *machine) error {
		_, err := m.run(ctx, text)
		return err
	}
}

// cycleOf adds to an act that nginx-hotswap makes a good upgrade of it.
func cycleOf(act func(context.Context, *machine) error) func(context.Context, *machine) error {
	return func(ctx context.Context, m *machine) error {
		before := m.newest()
		if err := act(ctx, m); err != nil {
			return err
		}
		_, err := m.upgraded(ctx, before)
		return err
	}
}

// landing puts another file with the same program in nginx's place before an act.
func landing(act func(context.Context, *machine) error) func(context.Context, *machine) error {
	return func(ctx context.Context, m *machine) error {
		build, err := os.ReadFile(m.Path(nginxPath))
		if err != nil {
			return err
		}
		if err := m.land(build); err != nil {
			return err
		}
		return act(ctx, m)
	}
}

func nothing(context.Context, *machine) error { return nil }

// chosenWays are those of the plan.
func (b *bench) chosenWays() []way {
	if b.ways == nil {
		return ways
	}
	var chosen []way
	for _, name := range b.ways {
		for _, w := range ways {
			if w.name == name {
				chosen = append(chosen, w)
			}
		}
	}
	return chosen
}
