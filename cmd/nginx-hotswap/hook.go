package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/bus"
)

// errHookTime is the end of a hook's patience.
var errHookTime = errors.New("HookTimeoutSec= is used up")

// hookPatience is for a daemon that does not answer: to give up means that what has
// come is not upgraded to by this run, and with Automatic=no by nobody. On a host
// that installs packages a daemon may be slow; one that hangs is ended by its
// watchdog.
const hookPatience = 20 * time.Second

// hook is an upgrade that a package manager's hook asks for. It is bounded in
// time, and its exit status is what the package manager may be told.
type hook struct {
	origin supervisor.Origin
	limit  time.Duration
	fails  bool // PackageResult=fail
}

// newHook reads the configuration. With a broken one the defaults hold: the
// daemon goes on with what it has read before.
func (p *places) newHook(origin supervisor.Origin) hook {
	c, err := p.load(slog.New(slog.DiscardHandler))
	if err != nil {
		c = supervisor.Defaults()
	}
	return hook{origin, c.HookTimeoutSec, c.PackageResultFails}
}

// context ends with the hook's time. Its first act lifts the hold on the unit,
// so that an administrator can stop nginx while the new version soaks.
func (h hook) context(ctx context.Context) (context.Context, context.CancelFunc) {
	bounded, cancel := context.WithTimeoutCause(ctx, h.limit, errHookTime)
	// What goes wrong here is tried again by the daemon.
	_ = liftHolds(bounded)
	return bus.Patient(bounded, hookPatience), cancel
}

// late is the answer for an instance whose cycle takes longer than the hook may.
func (h hook) late() supervisor.Outcome {
	return supervisor.Outcome{Code: supervisor.ExitDeferred, Result: supervisor.Deferred,
		Text: fmt.Sprintf("not done within HookTimeoutSec=%s, the daemon goes on in the background; see `nginx-hotswap status`", supervisor.FormatTimeSpan(h.limit))}
}

// code is the exit status for a package manager. What is only not done yet is no
// failure of its transaction, and one of a bad build only by choice. An init script
// is told the truth. That it cannot be done at all is told to those hooks that have
// another way then: what they have taken the place of.
func (h hook) code(code int) int {
	switch {
	case code == supervisor.ExitDeferred:
		return supervisor.ExitOK
	case code == supervisor.ExitNotSwappable && h.origin != supervisor.OriginRPM:
		return code
	case code == supervisor.ExitNotSwappable:
		return supervisor.ExitOK
	case h.origin == supervisor.OriginInitscript, h.fails:
		return code
	}
	return supervisor.ExitOK
}

// failure is the exit status where nobody could be asked, such as with a mistake
// in our configuration: whether that fails a transaction is decided as for a bad
// build. A daemon that only does not answer now takes up the new version later, unless
// Automatic=no forbids that. Whom we do not look after we cannot upgrade.
func (h hook) failure(err error) int {
	later := errors.Is(err, bus.ErrNoAnswer) || errors.Is(err, errHookTime)
	if later && h.origin != supervisor.OriginInitscript {
		return supervisor.ExitOK
	}
	if errors.Is(err, errUnknown) {
		return h.code(supervisor.ExitNotSwappable)
	}
	return h.code(supervisor.ExitFailure)
}

// advice is what somebody who reads a package manager's output has to do about an
// answer that does not say so itself.
func (h hook) advice(a answer) string {
	if a.Result == supervisor.RolledBack {
		return "; install a fixed build, see `nginx-hotswap status`"
	}
	return ""
}

// once does the cycle in this process and turns it back when the time is used
// up before the verdict: nobody would go on with it.
func (h hook) once(ctx context.Context, s *supervisor.Supervisor, r supervisor.Request) supervisor.Outcome {
	whole, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	done := make(chan supervisor.Outcome, 1)
	go func() { done <- s.Once(whole, r) }()
	select {
	case out := <-done:
		return out
	case <-ctx.Done():
	}
	go func() {
		_, _ = s.Do(whole, supervisor.Request{Action: supervisor.ActionRollback, Origin: h.origin, Wait: supervisor.WaitDone})
	}()
	out := <-done
	if out.Result == supervisor.RolledBack {
		out.Text = fmt.Sprintf("no verdict within HookTimeoutSec=%s: %s", supervisor.FormatTimeSpan(h.limit), out.Text)
	}
	return out
}
