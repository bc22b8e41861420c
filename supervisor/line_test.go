package supervisor_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// TestConcurrency upgrades two instances at the same time: with one place in the
// line the second begins when the first has its verdict, with two it does not
// wait.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		places  int
		overlap bool
	}{"one at a time": {1, false}, "two at a time": {2, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line := supervisor.NewLine(tt.places)
			c := quick()
			c.Automatic, c.Upgrade.SoakSec = false, time.Second
			if tt.overlap {
				c.Upgrade.SoakSec = time.Hour
			}
			var runs []*running
			for range 2 {
				n := start(t, traffic.Site{})
				r := run(t, n, newStore(t), c, func(o *supervisor.Options) { o.Line = line })
				r.upToDate(t)
				nginxtest.Install(t, n.Binary, newer(t, n))
				runs = append(runs, r)
			}
			var answers []<-chan supervisor.Outcome
			for _, r := range runs {
				answers = append(answers, r.ask(t, request(supervisor.WaitDone)))
			}
			if tt.overlap {
				for _, r := range runs {
					r.waitFor(t, "it soaks beside the other", func(s supervisor.Status) bool { return s.Phase == supervisor.Soaking })
				}
				for i, r := range runs {
					goBack(t, r, answers[i])
				}
				return
			}
			var from, to []time.Time
			for i, answer := range answers {
				if out := <-answer; out.Result != supervisor.Upgraded {
					t.Fatalf("got %+v", out)
				}
				for _, step := range history(t, runs[i].store)[0].Steps {
					switch step.Phase {
					case supervisor.Starting:
						from = append(from, step.Started)
					case supervisor.Soaking:
						to = append(to, step.Started.Add(c.Upgrade.SoakSec)) // the verdict is no earlier
					}
				}
			}
			if from[0].Before(to[1]) && from[1].Before(to[0]) {
				t.Errorf("two generations each at the same time: from %v to %v", from, to)
			}
		})
	}
}

// One whose bad build waits for the end of a package transaction to be taken off
// the disk has one generation only: the transaction's hook, which upgrades the others,
// does not wait for a place.
func TestPlaceIsFreeWhileRestoringWaits(t *testing.T) {
	t.Parallel()
	lock := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	line := supervisor.NewLine(1)
	c := quick()
	c.Automatic = false
	var on []*nginxtest.Nginx
	var by []*running
	for range 2 {
		n := start(t, traffic.Site{})
		r := run(t, n, newStore(t), c, func(o *supervisor.Options) {
			o.Line, o.PackageLocks = line, []supervisor.PackageLock{{Path: lock, Kind: unix.F_WRLCK}}
		})
		r.upToDate(t)
		on, by = append(on, n), append(by, r)
	}
	nginxtest.Install(t, on[0].Binary, makeBad(t, on[0], badnginx.CrashAtStart, 0))
	data, version := on[1].Newer(t, '8')
	nginxtest.Install(t, on[1].Binary, data)
	lockFile(t, lock, unix.F_WRLCK)
	q := request(supervisor.WaitDone)
	q.Origin = supervisor.OriginDpkg
	if out := <-by[0].ask(t, q); out.Result != supervisor.RolledBack {
		t.Fatalf("got %+v", out)
	}
	by[1].ask(t, q)
	by[1].waitFor(t, "the other is upgraded", func(s supervisor.Status) bool { return s.Running.Version == version })
	if phase := by[0].Status().Phase; phase != supervisor.Restoring {
		t.Errorf("the first is in %s, so there was nothing to wait for", phase)
	}
}

// A cycle that is gone on with has two generations, too: another instance waits for
// its verdict.
func TestPlaceOfAnInterruptedCycle(t *testing.T) {
	t.Parallel()
	n, _, store := interrupted(t, supervisor.Soaking, func(u *supervisor.UpgradeConfig) { u.SoakSec = time.Hour })
	line := supervisor.NewLine(1)
	inLine := func(o *supervisor.Options) { o.Line = line }
	c := quick()
	c.Upgrade.SoakSec = 5 * time.Second
	first := run(t, n, store, c, inLine)
	first.waitFor(t, "it goes on", func(s supervisor.Status) bool { return s.Phase == supervisor.Soaking })
	other, otherStore := start(t, traffic.Site{}), newStore(t)
	second := run(t, other, otherStore, quick(), inLine)
	second.upToDate(t)
	nginxtest.Install(t, other.Binary, newer(t, other))
	if out := <-second.ask(t, request(supervisor.WaitDone)); out.Result != supervisor.Upgraded {
		t.Fatalf("got %+v", out)
	}
	first.waitFor(t, "it is upgraded", func(s supervisor.Status) bool { return s.Phase == supervisor.Idle && s.Last != nil })
	var verdict time.Time // is no earlier
	for _, step := range history(t, store)[0].Steps {
		if step.Phase == supervisor.Soaking {
			verdict = step.Started.Add(c.Upgrade.SoakSec)
		}
	}
	for _, step := range history(t, otherStore)[0].Steps {
		if step.Phase == supervisor.Starting && step.Started.Before(verdict) {
			t.Errorf("it began at %v, the other's verdict came at %v or later", step.Started, verdict)
		}
	}
}

// Who holds an instance that waits in the line is told that nothing is upgraded, and
// nothing is.
func TestHeldInTheLine(t *testing.T) {
	t.Parallel()
	line := supervisor.NewLine(1)
	inLine := func(o *supervisor.Options) { o.Line = line }
	n, c := start(t, traffic.Site{}), quick()
	c.Upgrade.SoakSec = time.Hour
	first := run(t, n, newStore(t), c, inLine)
	first.upToDate(t)
	nginxtest.Install(t, n.Binary, newer(t, n))
	first.askUntil(t, request(supervisor.WaitDone), supervisor.Soaking)
	other := start(t, traffic.Site{})
	second := run(t, other, newStore(t), quick(), inLine)
	second.upToDate(t)
	nginxtest.Install(t, other.Binary, newer(t, other))
	second.Poke()
	second.waitFor(t, "it waits", func(s supervisor.Status) bool { return s.Phase == supervisor.Keeping })
	q := request(supervisor.WaitDone)
	q.Action = supervisor.ActionHold
	for by, goesOn := range map[*running]bool{first: true, second: false} {
		out, err := by.Do(t.Context(), q)
		if err != nil || out.Code != supervisor.ExitOK || strings.Contains(out.Text, "that runs goes on") != goesOn {
			t.Fatalf("got %+v, %v", out, err)
		}
	}
	second.waitFor(t, "it is left alone", func(s supervisor.Status) bool { return s.Phase == supervisor.Idle && s.Held && s.Reason == "held" })
	q.Action = supervisor.ActionRollback
	if out, err := first.Do(t.Context(), q); err != nil || out.Result != supervisor.RolledBack {
		t.Errorf("got %+v, %v", out, err)
	}
	q.Action = supervisor.ActionUnhold
	if _, err := second.Do(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	second.waitFor(t, "it is upgraded", func(s supervisor.Status) bool { return s.Last != nil && s.Last.Result == supervisor.Upgraded })
}
