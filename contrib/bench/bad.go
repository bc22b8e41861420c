package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// badWay is a bad build that comes in one way.
type badWay struct {
	name string
	kind badnginx.Kind
	ours bool
}

var badWays = []badWay{
	{"workers crash at their start: " + wayScript, badnginx.CrashAtStart, false},
	{"workers crash at their start: nginx-hotswap", badnginx.CrashAtStart, true},
	{fmt.Sprintf("workers crash after %v: %s", soakedFor, wayScript), badnginx.CrashAfter, false},
	{fmt.Sprintf("workers crash after %v: nginx-hotswap", soakedFor), badnginx.CrashAfter, true},
}

// badRun is one bad build.
type badRun struct {
	Report *traffic.Report
	// Back is from the first crash until an old worker accepts that was started
	// since, in milliseconds; nil if none did, or none had to.
	Back *float64
}

// measureBad measures what a bad build costs.
func measureBad(ctx context.Context, b *bench) (*section, error) {
	runs := make([][]badRun, len(badWays))
	err := b.inTwo(ctx, b.release, clientsConfig, func(ctx context.Context, plain, ours *machine) error {
		good, err := os.ReadFile(plain.Path(nginxPath))
		if err != nil {
			return err
		}
		for n := range b.badRuns {
			for i, w := range badWays {
				b.tell("bad: %s: %d of %d", w.name, n+1, b.badRuns)
				m := plain
				if w.ours {
					m = ours
				}
				run, err := m.bad(ctx, w, good)
				if err != nil {
					return fmt.Errorf("%s: %w", w.name, err)
				}
				runs[i] = append(runs[i], run)
			}
		}
		return nil
	})
	return badSection(runs), err
}

// bad lets a bad build land under traffic, and puts a good one back.
func (m *machine) bad(ctx context.Context, w badWay, good []byte) (badRun, error) {
	build, err := m.badBuild(ctx, w.kind, soakedFor)
	if err != nil {
		return badRun{}, err
	}
	watch, err := m.startWatch(ctx)
	if err != nil {
		return badRun{}, err
	}
	act := m.scriptWith
	if w.ours {
		act = m.swapBack
	}
	report, err := m.under(ctx, everyKind, m.clientWindow, func(ctx context.Context) error { return act(ctx, build) })
	if err != nil {
		return badRun{}, err
	}
	account, err := watch.stop()
	if err != nil {
		return badRun{}, err
	}
	run := badRun{Report: report}
	if s := see(account); s.sign.IsZero() {
		return run, errors.New("the bad build did no harm: nothing is measured")
	} else if !s.accepts.IsZero() {
		back := millis(s.sign, s.accepts)
		run.Back = &back
	}
	if w.ours {
		return run, nil
	}
	return run, m.repair(ctx, good)
}

// scriptWith upgrades to a build by the distribution's script, which reports
// success.
func (m *machine) scriptWith(ctx context.Context, build []byte) error {
	if err := m.land(build); err != nil {
		return err
	}
	_, err := m.run(ctx, "/etc/init.d/nginx upgrade")
	return err
}

// swapBack lets nginx-hotswap find a build, and waits until it is rolled back.
func (m *machine) swapBack(ctx context.Context, build []byte) error {
	before := m.newest()
	if err := m.land(build); err != nil {
		return err
	}
	_, err := m.endedWith(ctx, before, supervisor.RolledBack)
	return err
}

// repair is what an administrator does who finds the site down.
func (m *machine) repair(ctx context.Context, good []byte) error {
	if err := m.land(good); err != nil {
		return err
	}
	_, err := m.run(ctx, "rm -f "+siteSocket+"; systemctl restart nginx")
	return err
}

// badSection draws up what it cost.
func badSection(runs [][]badRun) *section {
	s := &section{title: "A bad build", raw: runs, text: "The same traffic and configuration as for what clients notice, with a build that passes `nginx -t` and whose workers crash.\nThe distribution's script reports success; the site " +
		"is then out of order until somebody repairs it, and so for the rest of the window."}
	t := table{append(noticedHead(), "first crash to old workers accepting again")}
	for i, w := range badWays {
		n := &noticed{Way: w.name}
		var back []float64
		for _, r := range runs[i] {
			n.Runs = append(n.Runs, r.Report)
			if r.Back != nil {
				back = append(back, *r.Back)
			}
		}
		t.row(append(n.row(), summarize(back).short())...)
		if w.ours && len(back) > 0 {
			s.goals = append(s.goals, goal{"bad sign to old accepting, " + w.name, summarize(back).median, millisOf(100 * time.Millisecond), " ms"})
		}
	}
	s.tables = []captioned{{"Where WINCH was not sent yet, or where old has gone, there is no way back to measure (–).", t}}
	return s
}
