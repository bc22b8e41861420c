package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

// clientsConfig makes many upgrades bearable.
const clientsConfig = "[Supervisor]\nSettleSec=500ms\n[Upgrade]\nSoakSec=1s\nKeepOldSec=0\n"

// noticed is what clients noticed of one way in one release.
type noticed struct {
	Release, Way string
	Runs         []*traffic.Report
}

// measureClients measures what clients notice.
func measureClients(ctx context.Context, b *bench) (*section, error) {
	var all []*noticed
	for _, release := range b.releases {
		list, err := b.clientsOf(ctx, release)
		if err != nil {
			return nil, fmt.Errorf("release %q: %w", release, err)
		}
		all = append(all, list...)
	}
	return clientsSection(b.clientRuns, all), nil
}

// clientsOf measures one release, in a machine with nginx-hotswap and in one
// without, which take turns.
func (b *bench) clientsOf(ctx context.Context, release string) ([]*noticed, error) {
	var list []*noticed
	err := b.inTwo(ctx, release, clientsConfig, func(ctx context.Context, plain, ours *machine) error {
		chosen := b.chosenWays()
		for _, w := range chosen {
			list = append(list, &noticed{Release: plain.name, Way: w.name})
		}
		for n := range b.clientRuns {
			for i, w := range chosen {
				b.tell("clients: %s: %s: %d of %d", plain.name, w.name, n+1, b.clientRuns)
				m := plain
				if w.ours {
					m = ours
				}
				report, err := m.notice(ctx, w)
				if err != nil {
					return fmt.Errorf("%s: %w", w.name, err)
				}
				list[i].Runs = append(list[i].Runs, report)
			}
		}
		return nil
	})
	return list, err
}

// notice goes one way under traffic.
func (m *machine) notice(ctx context.Context, w way) (*traffic.Report, error) {
	if w.ready != nil {
		if err := w.ready(ctx, m); err != nil {
			return nil, err
		}
	}
	report, err := m.under(ctx, everyKind, m.clientWindow, func(ctx context.Context) error { return w.act(ctx, m) })
	if err != nil {
		return nil, err
	}
	_, err = m.run(ctx, "systemctl is-active nginx")
	return report, err
}

// inTwo boots two machines, one without nginx-hotswap and one with it.
func (b *bench) inTwo(ctx context.Context, release, config string, do func(ctx context.Context, plain, ours *machine) error) error {
	return b.inMachine(ctx, release, func(ctx context.Context, plain *machine) error {
		return b.inMachine(ctx, release, func(ctx context.Context, ours *machine) error {
			for _, m := range []*machine{plain, ours} {
				if err := m.writeSite(ctx); err != nil {
					return err
				}
			}
			adopt := ours.adopt
			if slices.ContainsFunc(b.chosenWays(), func(w way) bool { return w.name == wayOurPackage }) {
				adopt = ours.adoptPackage
			}
			if err := adopt(ctx, config); err != nil {
				return err
			}
			return do(ctx, plain, ours)
		})
	})
}
