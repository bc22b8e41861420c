package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/bench/floor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// cycleSettle is SettleSec= where a cycle is measured.
const cycleSettle = 300 * time.Millisecond

// cycleConfig waits for nothing but what it must.
var cycleConfig = fmt.Sprintf("[Supervisor]\nSettleSec=%v\n[Upgrade]\nSoakSec=0\nKeepOldSec=0\n", cycleSettle)

// cycleRun is one cycle, in milliseconds, with one of the floor.
type cycleRun struct {
	// From the last write to USR2.
	LastWriteToUSR2, Look, PreFlight, Test, Vault, Prepare float64
	// From USR2 on.
	Ready, Shifted, Verdict, Drained, Gone, Finished float64
	// The floor.
	FloorReady, FloorShifted, FloorGone float64
	// BareTest is `nginx -t` by a shell.
	BareTest float64
}

// cycleCost are the runs of one load.
type cycleCost struct {
	Load load
	Runs []cycleRun
}

// measureCycle measures what a cycle costs by itself.
func measureCycle(ctx context.Context, b *bench) (*section, error) {
	var costs []cycleCost
	err := b.inMachine(ctx, b.release, func(ctx context.Context, m *machine) error {
		if err := m.adopt(ctx, cycleConfig); err != nil {
			return err
		}
		for _, l := range b.loads {
			runs, err := m.cycles(ctx, l)
			if err != nil {
				return fmt.Errorf("with %+v: %w", l, err)
			}
			costs = append(costs, cycleCost{l, runs})
		}
		return nil
	})
	return cycleSection(costs), err
}

// cycles measures one load, now with us and then without.
func (m *machine) cycles(ctx context.Context, l load) (runs []cycleRun, err error) {
	build, err := os.ReadFile(m.Path(nginxPath))
	if err != nil {
		return nil, err
	}
	if err := m.startFloor(ctx, l); err != nil {
		return nil, err
	}
	if err := m.configure(ctx, nginxConf{load: l}); err != nil {
		return nil, err
	}
	if err := m.attached(ctx); err != nil {
		return nil, err
	}
	for i := range m.cycleRuns {
		m.tell("cycle: %d workers, %d server blocks: %d of %d", l.Workers, l.Blocks, i+1, m.cycleRuns)
		run, err := m.cycle(ctx, build)
		if err != nil {
			return nil, err
		}
		a, err := m.floor(ctx, floorUnit)
		if err != nil {
			return nil, err
		}
		run.FloorReady, run.FloorShifted, run.FloorGone = millis(a.USR2, a.Ready), millis(a.USR2, a.Shifted), millis(a.USR2, a.Gone)
		if run.BareTest, err = m.bareTest(ctx); err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// cycle lets a build land and takes apart what comes of it. Nothing is asked while
// it goes on.
func (m *machine) cycle(ctx context.Context, build []byte) (cycleRun, error) {
	before := m.newest()
	master, err := m.mainPID(ctx)
	if err != nil {
		return cycleRun{}, err
	}
	vigil, err := m.startVigil(ctx, master)
	if err != nil {
		return cycleRun{}, err
	}
	// A look for another reason would find the build before it has settled.
	if err := wait(ctx, cycleSettle); err != nil {
		return cycleRun{}, err
	}
	if err := m.land(build); err != nil {
		return cycleRun{}, err
	}
	landed := time.Now()
	account, err := vigil.end()
	if err != nil {
		return cycleRun{}, err
	}
	rec, err := m.upgraded(ctx, before)
	if err != nil {
		return cycleRun{}, err
	}
	entries, err := m.journal(ctx, rec.ID)
	if err != nil {
		return cycleRun{}, err
	}
	return takeApart(rec, entries, landed, account)
}

// takeApart computes the spans of a cycle.
func takeApart(rec *supervisor.Record, entries map[string]told, landed time.Time, account *floor.Account) (cycleRun, error) {
	accepted, err := event(entries, supervisor.EventAccepted)
	if err != nil {
		return cycleRun{}, err
	}
	started, err := event(entries, supervisor.EventStarted)
	if err != nil {
		return cycleRun{}, err
	}
	if rec.Finished == nil || began(rec, supervisor.Retiring).IsZero() {
		return cycleRun{}, fmt.Errorf("cycle %s has no end", rec.ID)
	}
	usr2 := started.sent.Add(-started.took)
	return cycleRun{
		LastWriteToUSR2: millis(landed, usr2),
		Look:            millis(landed.Add(cycleSettle), began(rec, supervisor.Verifying)),
		PreFlight:       millis(began(rec, supervisor.Verifying), began(rec, supervisor.Keeping)),
		Test:            millisOf(accepted.took),
		Vault:           millis(began(rec, supervisor.Keeping), began(rec, supervisor.Starting)),
		Prepare:         millis(began(rec, supervisor.Starting), usr2),
		Ready:           millisOf(started.took),
		Shifted:         millis(usr2, began(rec, supervisor.Soaking)),
		Verdict:         millis(usr2, began(rec, supervisor.Draining)),
		Drained:         millis(usr2, began(rec, supervisor.Retiring)),
		Gone:            millis(usr2, account.Gone),
		Finished:        millis(usr2, *rec.Finished),
	}, nil
}

func millis(from, to time.Time) float64 { return millisOf(to.Sub(from)) }

// bareTest is how long `nginx -t` takes in a shell, the start of the process
// included.
func (m *machine) bareTest(ctx context.Context) (float64, error) {
	out, err := m.run(ctx, "exec bash -c 'TIMEFORMAT=%3R; time "+nginxPath+" -t -q' 2>&1")
	if err != nil {
		return 0, err
	}
	seconds, err := strconv.ParseFloat(out, 64)
	return seconds * 1000, err
}
