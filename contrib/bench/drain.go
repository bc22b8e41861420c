package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// drainConfig lets the old master stay for as long as its connections do.
const drainConfig = "[Supervisor]\nSettleSec=300ms\nAutomatic=no\n[Upgrade]\nSoakSec=0\nKeepOldSec=0\n"

// drainConf has room for 50,000 connections where a process may have no more than
// 20,000 files open.
var drainConf = nginxConf{load: load{4, 1}, connections: 18000}

// drainRest is for what the verdict sets off.
const drainRest = 2 * time.Second

// drainNoise is by how much the share of a processor may differ between few and
// many connections, in percent.
const drainNoise = 0.05

// drainCost is what the supervisor uses while old workers hold connections.
type drainCost struct {
	Connections int
	Runs        []usage
}

// measureDrain measures that. Few and many connections take turns.
func measureDrain(ctx context.Context, b *bench) (*section, error) {
	costs := make([]drainCost, len(b.connections))
	err := b.inMachine(ctx, b.release, func(ctx context.Context, m *machine) error {
		for name, text := range map[string]string{
			"/etc/systemd/system/nginx.service.d/bench.conf": "[Service]\nLimitNOFILE=200000\n",
			"/etc/sysctl.d/90-bench.conf":                    "net.core.somaxconn=4096\n",
		} {
			if err := m.WriteFile(name, []byte(text), 0o644); err != nil {
				return err
			}
		}
		if err := m.adopt(ctx, drainConfig); err != nil {
			return err
		}
		if err := m.configure(ctx, drainConf); err != nil {
			return err
		}
		if err := m.attached(ctx); err != nil {
			return err
		}
		build, err := os.ReadFile(m.Path(nginxPath))
		if err != nil {
			return err
		}
		for n := range b.drainRuns {
			for i, connections := range b.connections {
				b.tell("drain: %d connections: %d of %d", connections, n+1, b.drainRuns)
				u, err := m.drain(ctx, build, connections)
				if err != nil {
					return fmt.Errorf("with %d connections: %w", connections, err)
				}
				costs[i].Connections = connections
				costs[i].Runs = append(costs[i].Runs, u)
			}
		}
		return nil
	})
	return drainSection(costs), err
}

// drain upgrades an nginx that has so many connections and looks at the supervisor
// while they are there.
func (m *machine) drain(ctx context.Context, build []byte, connections int) (usage, error) {
	last := m.newest()
	before, err := m.status(ctx)
	if err != nil {
		return usage{}, err
	}
	h, err := m.hold(ctx, connections)
	if err != nil {
		return usage{}, errors.Join(err, h.release())
	}
	u, err := m.whileDraining(ctx, build, before, connections)
	if err := errors.Join(err, h.release()); err != nil {
		return u, err
	}
	_, err = m.upgraded(ctx, last)
	return u, err
}

func (m *machine) whileDraining(ctx context.Context, build []byte, before supervisor.Status, connections int) (usage, error) {
	// nginx takes them up a moment after they are made.
	held := 0
	if err := poll(ctx, "nginx does not hold the connections", func() (_ bool, err error) {
		held, err = m.files(ctx, before.MainPID)
		return held >= connections, err
	}); err != nil {
		return usage{}, fmt.Errorf("%w; its workers have %d files open", err, held)
	}
	if err := m.land(build); err != nil {
		return usage{}, err
	}
	if _, err := m.run(ctx, "nginx-hotswap upgrade --wait=verdict nginx"); err != nil {
		return usage{}, err
	}
	u, err := m.use(ctx, drainRest, m.drainWindow)
	if err != nil {
		return u, err
	}
	held, err = m.files(ctx, before.MainPID)
	if err == nil && held < connections {
		err = fmt.Errorf("the old workers hold only %d files at the end", held)
	}
	return u, err
}

// files counts what the workers of a master have open.
func (m *machine) files(ctx context.Context, master int) (int, error) {
	out, err := m.run(ctx, fmt.Sprintf("for p in $(cat /proc/%d/task/%[1]d/children); do ls /proc/$p/fd; done | wc -l", master))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(out))
}

// drainSection draws up what was measured.
func drainSection(costs []drainCost) *section {
	s := &section{title: "Draining", raw: costs}
	s.text = "The supervisor while old workers hold connections that are in the middle of a request, after the verdict. Median\n(quartiles, least–greatest)."
	t := table{{"connections", "CPU, % of a core", "wake-ups a second", "resident MiB"}}
	for _, c := range costs {
		share := spread(c.Runs, usage.share)
		t.row(fmt.Sprint(c.Connections), precise(share.median)+fmt.Sprintf(" (%s–%s)", precise(share.low), precise(share.high)),
			spread(c.Runs, usage.wakeUpsPerSecond).String(), spread(c.Runs, func(u usage) float64 { return u.RSS }).String())
	}
	if len(costs) > 0 {
		few, many := costs[0], costs[len(costs)-1]
		least, most := spread(few.Runs, usage.share).median, spread(many.Runs, usage.share).median
		s.goals = []goal{
			{fmt.Sprintf("CPU with %d connections", many.Connections), most, 0.5, " % of a core"},
			{fmt.Sprintf("CPU with %d connections beyond that with %d", many.Connections, few.Connections), most - least, drainNoise, " % of a core"},
		}
	}
	s.tables = []captioned{{"CPU is that of the unit's control group.", t}}
	return s
}
