package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// soakedFor is how long a successor serves before it goes wrong late.
const soakedFor = 500 * time.Millisecond

// wrong is a way in which an upgrade goes wrong.
type wrong struct {
	name  string
	kind  badnginx.Kind
	watch []string // for the observer
	loop  bool     // it crashes from its start on
}

var wrongs = []wrong{
	{name: "its workers crash at the first request, which comes after WINCH", kind: badnginx.CrashAtFirstRequest, watch: []string{"-quiet"}, loop: true},
	{name: fmt.Sprintf("its workers crash %v after their start", soakedFor), kind: badnginx.CrashAfter},
	{name: fmt.Sprintf("its master is killed %v after WINCH", soakedFor), kind: badnginx.Good, watch: []string{"-kill-after=" + soakedFor.String()}},
	{name: "its workers crash in their initialisation", kind: badnginx.CrashAtStart, loop: true},
	{name: "its workers crash at the first request, under traffic", kind: badnginx.CrashAtFirstRequest, loop: true},
}

// wayBack is one run.
type wayBack struct {
	sight
	from     supervisor.Phase // where the upgrade ended
	told     time.Time        // that it goes back
	revived  time.Time        // by the record; the zero time if there was nothing to revive
	finished time.Time
	load     traffic.Summary
}

// measureRollback measures how long the way back takes, and what it costs. The ways
// to go wrong take turns.
func measureRollback(ctx context.Context, b *bench) (*section, error) {
	results := make([][]wayBack, len(wrongs))
	err := b.inMachine(ctx, b.release, func(ctx context.Context, m *machine) error {
		if err := m.writeSite(ctx); err != nil {
			return err
		}
		if err := m.adopt(ctx, ""); err != nil {
			return err
		}
		builds := make([][]byte, len(wrongs))
		for i, row := range wrongs {
			var err error
			if builds[i], err = m.badBuild(ctx, row.kind, soakedFor); err != nil {
				return err
			}
		}
		for n := range b.rollbackRuns {
			for i, row := range wrongs {
				b.tell("rollback: %s: %d of %d", row.name, n+1, b.rollbackRuns)
				r, err := m.goBack(ctx, builds[i], row.watch)
				if err != nil {
					return fmt.Errorf("%s, run %d: %w", row.name, n+1, err)
				}
				results[i] = append(results[i], r)
			}
		}
		return nil
	})
	return rollbackSection(b.rollbackRuns, results), err
}

// goBack makes one upgrade that goes wrong.
func (m *machine) goBack(ctx context.Context, build []byte, args []string) (wayBack, error) {
	before := m.newest()
	watch, err := m.startWatch(ctx, append(args, "-url="+siteURL)...)
	if err != nil {
		return wayBack{}, err
	}
	if err := m.land(build); err != nil {
		return wayBack{}, err
	}
	out, errOut, exit, err := m.Try(ctx, "nginx-hotswap upgrade --wait=done nginx")
	if err != nil {
		return wayBack{}, err
	}
	if exit != supervisor.ExitRolledBack {
		return wayBack{}, fmt.Errorf("the upgrade ends with %d, not %d: %s%s", exit, supervisor.ExitRolledBack, out, errOut)
	}
	rec, err := m.endedWith(ctx, before, supervisor.RolledBack)
	if err != nil {
		return wayBack{}, err
	}
	account, err := watch.stop()
	if err != nil {
		return wayBack{}, err
	}
	r := wayBack{sight: see(account)}
	if account.Traffic != nil {
		r.load = account.Traffic.Total
	}
	err = m.complete(ctx, rec, &r)
	return r, err
}

// complete adds what nginx-hotswap itself says of the run.
func (m *machine) complete(ctx context.Context, rec *supervisor.Record, r *wayBack) error {
	if rec.Finished == nil {
		return fmt.Errorf("the record of cycle %s has no end", rec.ID)
	}
	if r.sign.IsZero() {
		return fmt.Errorf("cycle %s went back (%s), but no bad sign was seen", rec.ID, rec.Reason)
	}
	r.from, r.finished = lastForward(rec), *rec.Finished
	if !began(rec, supervisor.Reviving).IsZero() {
		r.revived = began(rec, supervisor.Returning)
	}
	entries, err := m.journal(ctx, rec.ID)
	if err != nil {
		return err
	}
	going, err := event(entries, supervisor.EventRollback)
	r.told = going.sent
	return err
}
