package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

// keepAliveRelease has an nginx that knows keepalive_min_timeout (since 1.27.4).
const keepAliveRelease = "forky"

// keepAliveWindow is for an upgrade with keepAliveConfig.
const keepAliveWindow = lead * 4

// keepAliveConfig is a short cycle.
const keepAliveConfig = "[Supervisor]\nSettleSec=300ms\n[Upgrade]\nSoakSec=500ms\nKeepOldSec=0\n"

// keepAliveTargets are clients that ask again and again on the same connections.
var keepAliveTargets = []string{"kind=keepalive,clients=64,interval=20ms,url=" + siteURL}

// keepAliveWay is a way with or without the setting.
type keepAliveWay struct {
	name    string
	setting string
	act     func(context.Context, *machine) error
}

var keepAliveWays = []keepAliveWay{
	{wayReload, "", script("systemctl reload nginx")},
	{wayWatcher, "", cycleOf(landing(nothing))},
	{wayReload, "keepalive_min_timeout 2s;", script("systemctl reload nginx")},
	{wayWatcher, "keepalive_min_timeout 2s;", cycleOf(landing(nothing))},
}

// measureKeepAlive measures what keep-alive clients lose that do not retry.
func measureKeepAlive(ctx context.Context, b *bench) (*section, error) {
	runs := make([][]*traffic.Report, len(keepAliveWays))
	name := ""
	err := b.inMachine(ctx, keepAliveRelease, func(ctx context.Context, m *machine) error {
		name = m.name
		if err := m.writeSite(ctx); err != nil {
			return err
		}
		if err := m.adopt(ctx, keepAliveConfig); err != nil {
			return err
		}
		for n := range b.keepAliveRuns {
			for i, w := range keepAliveWays {
				b.tell("keepalive: %s %s: %d of %d", w.name, w.setting, n+1, b.keepAliveRuns)
				report, err := m.keepAlive(ctx, w)
				if err != nil {
					return fmt.Errorf("%s %s: %w", w.name, w.setting, err)
				}
				runs[i] = append(runs[i], report)
			}
		}
		return nil
	})
	return keepAliveSection(name, runs), err
}

// keepAlive goes one way under such clients.
func (m *machine) keepAlive(ctx context.Context, w keepAliveWay) (*traffic.Report, error) {
	if err := m.WriteFile("/etc/nginx/conf.d/keepalive.conf", []byte(w.setting+"\n"), 0o644); err != nil {
		return nil, err
	}
	// Old workers of the reload are gone when the restart is over; systemd counts
	// restarts, and refuses the sixth.
	if _, err := m.run(ctx, "systemctl reset-failed nginx; systemctl restart nginx"); err != nil {
		return nil, err
	}
	if err := m.attached(ctx); err != nil {
		return nil, err
	}
	return m.under(ctx, keepAliveTargets, keepAliveWindow, func(ctx context.Context) error { return w.act(ctx, m) })
}

// keepAliveSection draws up what was lost.
func keepAliveSection(name string, runs [][]*traffic.Report) *section {
	s := &section{title: "Keep-alive clients that do not retry", raw: runs}
	s.text = fmt.Sprintf("64 connections with a request every 20 ms. nginx closes idle connections when its workers go, in a reload as in an\n"+
		"upgrade; a request that has just been sent is lost then, unless the client repeats it. Since 1.27.4 `keepalive_min_timeout`\n"+
		"closes that gap. Median (least–greatest) of %d upgrades each.", len(runs[0]))
	t := table{{"", "setting", "requests", "lost without a retry", "failed with one"}}
	for i, w := range keepAliveWays {
		setting := w.setting
		if setting == "" {
			setting = "–"
		}
		of := func(figure func(*traffic.Report) int) string {
			return spread(runs[i], func(r *traffic.Report) float64 { return float64(figure(r)) }).short()
		}
		t.row(w.name, setting, of(func(r *traffic.Report) int { return r.Total.Requests }),
			of(func(r *traffic.Report) int { return r.Total.StaleRetries }), of(func(r *traffic.Report) int { return r.Total.Failed }))
		if w.name == wayWatcher {
			n := noticed{Release: name, Way: w.name + ", with keep-alive clients, " + cmp.Or(w.setting, "without a setting"), Runs: runs[i]}
			s.promise(&n, nil)
		}
	}
	s.tables = []captioned{{name + ".", t}}
	return s
}
