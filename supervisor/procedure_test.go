package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// stage is a made-up machine for the runner: it notes what is called and can
// be woken.
type stage struct {
	calls []string
	wake  chan struct{}
}

func newStage() *stage { return &stage{wake: make(chan struct{}, 1)} }

func (s *stage) note(format string, args ...any) {
	s.calls = append(s.calls, fmt.Sprintf(format, args...))
}

func (s *stage) runner() runner {
	return runner{
		enter: func(p Phase) error { s.note("enter %s", p); return nil },
		wait: func(ctx context.Context, poll <-chan time.Time) error {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-s.wake:
				return nil
			case <-poll:
				return nil
			}
		},
	}
}

// step is a row whose condition holds at the n-th look.
func (s *stage) step(phase Phase, n int) step {
	looks := 0
	return step{phase: phase, limit: Infinity, polls: true,
		met: func(context.Context) (bool, error) {
			looks++
			s.note("look %s", phase)
			return looks >= n, nil
		},
		act: func(context.Context) error { s.note("act %s", phase); return nil },
	}
}

func TestRunnerLooksFirst(t *testing.T) {
	for name, tt := range map[string]struct {
		looks int
		from  Phase
		want  []string
	}{
		"met before": {1, "a", []string{"enter a", "look a", "enter b", "look b"}},
		"met by act": {2, "a", []string{"enter a", "look a", "act a", "look a", "enter b", "look b", "act b", "look b"}},
		"acts once":  {4, "b", []string{"enter b", "look b", "act b", "look b", "look b", "look b"}},
		"from there": {1, "b", []string{"enter b", "look b"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage()
				err := s.runner().run(t.Context(), []step{s.step("a", tt.looks), s.step("b", tt.looks)}, tt.from)
				if err != nil {
					t.Error(err)
				}
				if diff := cmp.Diff(tt.want, s.calls); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestRunnerWaitsWithoutAct(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		row := s.step("a", 3)
		row.act = nil
		if err := s.runner().run(t.Context(), []step{row}, "a"); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"enter a", "look a", "look a", "look a"}, s.calls); diff != "" {
			t.Error(diff)
		}
	})
}

// TestRunnerPolls measures the pauses on the bubble's clock.
func TestRunnerPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		var looks []time.Duration
		began := time.Now()
		row := step{phase: "a", limit: Infinity, polls: true, met: func(context.Context) (bool, error) {
			looks = append(looks, time.Since(began))
			return len(looks) == 1+80+80+11, nil
		}}
		if err := s.runner().run(t.Context(), []step{row}, "a"); err != nil {
			t.Fatal(err)
		}
		want := []time.Duration{0} // before acting
		for i := range 80 {
			want = append(want, time.Duration(i)*250*time.Microsecond)
		}
		for i := range 80 {
			want = append(want, 20*time.Millisecond+time.Duration(i)*time.Millisecond)
		}
		for i := range 11 {
			want = append(want, 100*time.Millisecond+time.Duration(i)*5*time.Millisecond)
		}
		if diff := cmp.Diff(want, looks); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRunnerWakesByEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		row := s.step("a", 4)
		row.polls = false
		done := make(chan error)
		began := time.Now()
		go func() { done <- s.runner().run(t.Context(), []step{row}, "a") }()
		time.Sleep(time.Hour) // nothing happens, nothing is looked at
		synctest.Wait()
		if diff := cmp.Diff([]string{"enter a", "look a", "act a", "look a"}, s.calls); diff != "" {
			t.Error(diff)
		}
		s.wake <- struct{}{}
		synctest.Wait()
		if got := strings.Count(strings.Join(s.calls, "\n"), "look"); got != 3 {
			t.Errorf("%d looks after one event", got)
		}
		s.wake <- struct{}{}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d != time.Hour {
			t.Errorf("it took %v", d)
		}
	})
}

func TestRunnerStopsAtErrors(t *testing.T) {
	bad := errors.New("bad sign")
	fail := func(s *stage, what string) []step {
		row := s.step("a", 3)
		met := row.met
		switch what {
		case "condition":
			row.met = func(context.Context) (bool, error) { s.note("look a"); return false, bad }
		case "condition later":
			row.met = func(ctx context.Context) (bool, error) {
				if ok, err := met(ctx); !ok || err != nil {
					return ok, err
				}
				return false, bad
			}
		case "act":
			row.act = func(context.Context) error { s.note("act a"); return bad }
		}
		return []step{row, s.step("b", 1)}
	}
	for what, want := range map[string][]string{
		"condition":       {"enter a", "look a"},
		"condition later": {"enter a", "look a", "act a", "look a", "look a"},
		"act":             {"enter a", "look a", "act a"},
		"enter":           {"enter a"},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage()
				r := s.runner()
				if what == "enter" {
					r.enter = func(p Phase) error { s.note("enter %s", p); return bad }
				}
				err := r.run(t.Context(), fail(s, what), "a")
				if failed, ok := errors.AsType[*StepError](err); !ok || failed.Phase != "a" || !errors.Is(err, bad) {
					t.Errorf("got %v", err)
				}
				if diff := cmp.Diff(want, s.calls); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// What takes long to look at is looked at less often: half of the time at most.
func TestRunnerPausesAsLongAsItLooks(t *testing.T) {
	for look, want := range map[time.Duration]time.Duration{0: 3 * pollPause(0), 7 * time.Millisecond: 7 * 7 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage()
			looks := 0
			began := time.Now()
			err := s.runner().await(t.Context(), true, func(context.Context) (bool, error) {
				time.Sleep(look)
				looks++
				return looks == 4, nil
			})
			if took := time.Since(began); err != nil || took != want {
				t.Errorf("four looks of %v take %v, not %v: %v", look, took, want, err)
			}
		})
	}
}

func TestRunnerUnknownPhase(t *testing.T) {
	for _, from := range []Phase{"", "no-such", Idle} {
		s := newStage()
		err := s.runner().run(t.Context(), []step{s.step("a", 1)}, from)
		if failed, ok := errors.AsType[*StepError](err); !ok || failed.Phase != from {
			t.Errorf("from %q: got %v", from, err)
		}
		if len(s.calls) > 0 {
			t.Errorf("from %q: it did %v", from, s.calls)
		}
	}
}

// TestTables names the phases in the order of nginx's documentation and checks
// that no row can hang by mistake: without polling and without a limit only
// where events or people end the wait.
func TestTables(t *testing.T) {
	c := &cycle{cfg: Defaults().Upgrade}
	phases := func(table []step) []Phase {
		var names []Phase
		for _, s := range table {
			names = append(names, s.phase)
			if s.met == nil {
				t.Errorf("%s has no condition", s.phase)
			}
			if s.act == nil {
				t.Errorf("%s has no act", s.phase)
			}
			if s.limit <= 0 {
				t.Errorf("%s has the limit %v", s.phase, s.limit)
			}
		}
		return names
	}
	upgrade := []Phase{"verifying", "keeping", "starting", "shifting", "soaking", "draining", "retiring"}
	if diff := cmp.Diff(upgrade, phases(c.table())); diff != "" {
		t.Error(diff)
	}
	back := phases(c.wayBack())
	if diff := cmp.Diff([]Phase{"reviving", "returning", "dismissing"}, back[:min(3, len(back))]); diff != "" {
		t.Error(diff)
	}
	if extra := back[min(3, len(back)):]; len(extra) > 0 && !slices.Equal(extra, []Phase{"restoring"}) {
		t.Errorf("unknown rows %v", extra)
	}
}
