package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// step is one row of a table. The condition is looked at before anything is
// done, so a procedure that was interrupted is carried on by the same code.
type step struct {
	phase Phase
	// met looks at the process table. An error is a bad sign: it ends the
	// procedure.
	met func(context.Context) (bool, error)
	// act makes the condition come true; nil where there is nothing to do but
	// wait.
	act func(context.Context) error
	// limit is how long act and the wait may take together; Infinity is for
	// ever.
	limit time.Duration
	// polls is true where the kernel gives no event for the condition.
	polls bool
}

// StepError says in which phase a procedure ended and why.
type StepError struct {
	Phase Phase
	Err   error
}

func (e *StepError) Error() string { return fmt.Sprintf("%s: %v", e.Phase, e.Err) }
func (e *StepError) Unwrap() error { return e.Err }

// errLate is the cause of a step that took too long.
var errLate = errors.New("it took too long")

// pollPause is how long a condition is left alone for which the kernel gives no
// event. Workers of an ordinary configuration are there, or have understood,
// within a few milliseconds.
func pollPause(waited time.Duration) time.Duration {
	switch {
	case waited < 20*time.Millisecond:
		return 250 * time.Microsecond
	case waited < 100*time.Millisecond:
		return time.Millisecond
	}
	return 5 * time.Millisecond
}

// runner carries out tables. It knows nothing of nginx.
type runner struct {
	// enter is told each phase before anything of it is done; it writes the
	// record.
	enter func(Phase) error
	// wait returns when something happened or the channel fires; its error
	// ends the procedure.
	wait func(ctx context.Context, poll <-chan time.Time) error
	// at, if set, is told the points of a step at which a test may end the
	// process.
	at func(phase Phase, point string)
}

// The points of a step.
const (
	beforeAct      = "before-act"
	afterAct       = "after-act"
	afterCondition = "after-condition"
)

// run carries out the rows of a table from the given phase on.
func (r runner) run(ctx context.Context, table []step, from Phase) error {
	reached := false
	for _, s := range table {
		if reached = reached || s.phase == from; !reached {
			continue
		}
		err := r.enter(s.phase)
		if err == nil {
			err = r.step(ctx, s)
		}
		if err != nil {
			return &StepError{s.phase, err}
		}
	}
	if !reached {
		return &StepError{from, errors.New("the procedure has no such phase")}
	}
	return nil
}

func (r runner) step(ctx context.Context, s step) error {
	if s.limit < Infinity {
		late := fmt.Errorf("%s: %w (more than %s)", s.phase, errLate, FormatTimeSpan(s.limit))
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.limit, late)
		defer cancel()
	}
	at := r.at
	if at == nil {
		at = func(Phase, string) {}
	}
	at(s.phase, beforeAct)
	met, err := s.met(ctx)
	if err != nil {
		return err
	}
	if !met {
		if s.act != nil {
			if err := s.act(ctx); err != nil {
				return err
			}
		}
		at(s.phase, afterAct)
		if err := r.await(ctx, s.polls, s.met); err != nil {
			return err
		}
	}
	at(s.phase, afterCondition)
	return nil
}

// await looks at a condition until it is met: when something happened and,
// where nothing tells, after short pauses.
func (r runner) await(ctx context.Context, polls bool, met func(context.Context) (bool, error)) error {
	began := time.Now()
	for {
		looked := time.Now()
		ok, err := met(ctx)
		if ok || err != nil {
			return err
		}
		var poll <-chan time.Time
		if polls {
			// Many workers take a while to look at, and need the processor to start.
			poll = time.After(max(pollPause(time.Since(began)), time.Since(looked)))
		}
		if err := r.wait(ctx, poll); err != nil {
			return err
		}
	}
}
