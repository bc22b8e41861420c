package supervisor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRunnerDeadline(t *testing.T) {
	for name, polls := range map[string]bool{"by polling": true, "without events": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage()
				late := s.step("late", 1<<30)
				late.polls, late.limit = polls, 90*time.Second
				began := time.Now()
				err := s.runner().run(t.Context(), []step{s.step("early", 1), late, s.step("never", 1)}, "early")
				failed, ok := errors.AsType[*StepError](err)
				if !ok || failed.Phase != "late" || !errors.Is(err, errLate) {
					t.Fatalf("got %v", err)
				}
				if !strings.Contains(err.Error(), "1min 30s") {
					t.Errorf("%q does not tell the limit", err)
				}
				if d := time.Since(began); d != 90*time.Second {
					t.Errorf("it took %v", d)
				}
				if slices.Contains(s.calls, "enter never") {
					t.Error("it went on")
				}
			})
		})
	}
}

// TestRunnerDeadlineCoversAct checks that the limit is for act and wait
// together, and that each row has its own.
func TestRunnerDeadlineCoversAct(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		slow := func(phase Phase, looks int) step {
			row := s.step(phase, looks)
			row.limit = 10 * time.Second
			row.act = func(context.Context) error { time.Sleep(9 * time.Second); return nil }
			return row
		}
		began := time.Now()
		err := s.runner().run(t.Context(), []step{slow("a", 2), slow("b", 1<<30)}, "a")
		if failed, ok := errors.AsType[*StepError](err); !ok || failed.Phase != "b" || !errors.Is(err, errLate) {
			t.Errorf("got %v", err)
		}
		if d := time.Since(began); d != 19*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

func TestRunnerEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		cause := errors.New("told to stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(cause) })
		row := s.step("a", 1<<30)
		row.limit = time.Hour
		err := s.runner().run(ctx, []step{row, s.step("b", 1)}, "a")
		if !errors.Is(err, cause) || errors.Is(err, errLate) {
			t.Errorf("got %v", err)
		}
		if slices.Contains(s.calls, "enter b") {
			t.Error("it went on")
		}
	})
}
