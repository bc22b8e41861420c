package systemd

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"
)

// wait follows the unit to its end. CollectMode removes it at once, hence no
// question could be asked afterwards; but PID 1 sends the last change of its
// properties before UnitRemoved.
func (t *transient) wait(ctx context.Context) (Result, error) {
	last := properties{}
	for {
		select {
		case s, ok := <-t.signals:
			if !ok || s.Name == "org.freedesktop.DBus.NameOwnerChanged" {
				return Result{}, errLost
			}
			if t.merge(last, s) || t.lostInReload(ctx, s) {
				return resultOf(last)
			}
		case <-ctx.Done():
			t.stop(ctx)
			return Result{}, context.Cause(ctx)
		}
	}
}

// merge takes over the properties that a signal brings; true when it says that
// the unit is gone. At daemon-reload, and before daemon-reexec, PID 1 says so of
// all units, between two Reloading signals, and then has them again.
func (t *transient) merge(last properties, s *dbus.Signal) bool {
	switch s.Name {
	case ifProps + ".PropertiesChanged":
		if s.Path == unitPath(t.name) && len(s.Body) > 1 {
			changed, _ := s.Body[1].(map[string]dbus.Variant)
			maps.Copy(last, changed)
		}
	case ifManager + ".Reloading":
		t.reloading = len(s.Body) > 0 && s.Body[0] == true
	case ifManager + ".UnitRemoved":
		return !t.reloading && len(s.Body) > 0 && s.Body[0] == t.name
	}
	return false
}

// lostInReload looks, at the end of a daemon-reload, whether the unit ended so
// shortly before that PID 1 does not have it again.
func (t *transient) lostInReload(ctx context.Context, s *dbus.Signal) bool {
	if s.Name != ifManager+".Reloading" || t.reloading {
		return false
	}
	return errorName(t.m.call(ctx, "GetUnit", t.name).Err) == errMissing
}

// stop stops the unit, although the context has ended.
func (t *transient) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := t.m.call(ctx, "StopUnit", t.name, "replace").Err
	if err != nil && errorName(err) != errMissing {
		slog.Warn("cannot stop a transient unit", "unit", t.name, "error", err)
	}
}

// resultOf reads the last properties of a service that has ended.
func resultOf(p properties) (Result, error) {
	code, _ := p["ExecMainCode"].Value().(int32)
	status, _ := p["ExecMainStatus"].Value().(int32)
	outcome := p.text("Result")
	r := Result{Timeout: outcome == "timeout"}
	switch code {
	case cldExited:
		r.Exit = int(status)
	case cldKilled, cldDumped:
		r.Exit, r.Signal = -1, int(status)
	default:
		if outcome == "success" {
			// It ran, and how it ended was lost in a daemon-reload that
			// came at that moment (seen on 247).
			return Result{}, fmt.Errorf("%w, and with it how the command ended", errLost)
		}
		if !r.Timeout {
			return Result{}, fmt.Errorf("systemd did not start the command (result %q)", outcome)
		}
		r.Exit, r.Signal = -1, int(syscall.SIGKILL)
	}
	return r, nil
}

// The si_code values of SIGCHLD, see waitid(2).
const (
	cldExited = 1
	cldKilled = 2
	cldDumped = 3
)
