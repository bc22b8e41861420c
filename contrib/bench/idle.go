package main

import (
	"context"
	"fmt"
	"os"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

const (
	manyUnit = `[Service]
Type=forking
PIDFile=/run/nginx-%i.pid
ExecStart=` + nginxPath + ` -c /etc/nginx/many/%i.conf
KillMode=mixed
KillSignal=SIGQUIT
`
	// manyPort is that of the first.
	manyPort = 20000
)

// idleCost is what the supervisor uses while nothing happens.
type idleCost struct {
	Instances int
	Runs      []usage
}

// measureIdle measures what the supervisor uses while nothing happens.
func measureIdle(ctx context.Context, b *bench) (*section, error) {
	var costs []idleCost
	var size int64
	err := b.inMachine(ctx, b.release, func(ctx context.Context, m *machine) error {
		for _, instances := range b.instances {
			b.tell("idle: %d instances", instances)
			if err := m.instances(ctx, instances); err != nil {
				return err
			}
			c := idleCost{Instances: instances}
			for range b.idleRuns {
				u, err := m.use(ctx, b.idleRest, b.idleWindow)
				if err != nil {
					return err
				}
				c.Runs = append(c.Runs, u)
			}
			costs = append(costs, c)
		}
		binary, err := os.Stat(m.Path("/usr/sbin/nginx-hotswap"))
		if err == nil {
			size = binary.Size()
		}
		return err
	})
	return idleSection(costs, size), err
}

// instances lets the supervisor begin with so many.
func (m *machine) instances(ctx context.Context, n int) error {
	if n == 1 {
		return m.adopt(ctx, "")
	}
	if err := m.WriteFile("/etc/systemd/system/nginx@.service", []byte(manyUnit), 0o644); err != nil {
		return err
	}
	for i := range n {
		conf := nginxConf{load: load{1, 1}, pid: fmt.Sprintf("/run/nginx-%d.pid", i), listen: fmt.Sprintf("127.0.0.1:%d", manyPort+i)}
		if err := m.WriteFile(fmt.Sprintf("/etc/nginx/many/%d.conf", i), []byte(conf.String()), 0o644); err != nil {
			return err
		}
	}
	script := fmt.Sprintf("systemctl stop nginx nginx-hotswap; systemctl daemon-reload; seq 0 %d | sed 's/^/nginx@/' | xargs systemctl start; systemctl start nginx-hotswap", n-1)
	if _, err := m.run(ctx, script); err != nil {
		return err
	}
	return poll(ctx, "it does not attach to all instances", func() (bool, error) {
		list, err := m.statuses(ctx)
		return attachedTo(list) == n, err
	})
}

func attachedTo(list []supervisor.Status) int {
	n := 0
	for _, s := range list {
		if s.MainPID != 0 {
			n++
		}
	}
	return n
}

// idleSection draws up what was measured.
func idleSection(costs []idleCost, size int64) *section {
	const mib = 1 << 20
	s := &section{title: "Idle", raw: costs}
	s.text = fmt.Sprintf("The installed unit while nothing happens, with the default configuration, in windows of %.0f s. Median\n"+
		"(least–greatest) of %d windows. The binary has %.1f MiB.", costs[0].Runs[0].Seconds, len(costs[0].Runs), float64(size)/mib)
	t := table{{"instances", "CPU ms", "CPU ticks (10 ms)", "wake-ups a second", "resident MiB", "of it anonymous", "open files"}}
	resident := map[int]float64{1: 20, 200: 48}
	for _, c := range costs {
		of := func(figure func(usage) float64) summary { return spread(c.Runs, figure) }
		ticks := of(func(u usage) float64 { return float64(u.Ticks) })
		wakeUps := of(usage.wakeUpsPerSecond)
		rss := of(func(u usage) float64 { return u.RSS })
		t.row(fmt.Sprint(c.Instances), of(func(u usage) float64 { return u.CPUms }).short(), ticks.short(), wakeUps.short(),
			rss.short(), of(func(u usage) float64 { return u.Anon }).short(), of(func(u usage) float64 { return float64(u.Files) }).short())
		if c.Instances == 1 {
			s.goals = append(s.goals, goal{"CPU ticks while idle, one instance", ticks.median, 0, ""},
				goal{"wake-ups a second while idle, one instance", wakeUps.median, 1, ""})
		}
		if limit, ok := resident[c.Instances]; ok {
			s.goals = append(s.goals, goal{fmt.Sprintf("resident memory, %d instances", c.Instances), rss.median, limit, " MiB"})
		}
	}
	s.tables = []captioned{{"Memory is VmRSS, of which RssAnon is what is not a part of a file.", t}}
	return s
}
