package supervisor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// errForeign is why a build goes that somebody else has started although it is
// condemned.
var errForeign = &badSign{text: "somebody has started a build that is in quarantine"}

// foreignUpgrade deals with a successor that we did not start: somebody has sent
// USR2. A package's script sends QUIT to old some seconds later without looking,
// so under a package lock, and for a build that is condemned, we judge before
// it does. A person's upgrade is watched and told, never fought. So is one whose
// old master was told to go already: there is nothing to go back to. It reports
// whether there is such a successor.
func (s *Supervisor) foreignUpgrade(ctx context.Context, tree nginx.Tree) bool {
	if s.foreign != nil && s.foreign.Old.ID() == s.current.ID && s.current.parentOf(s.foreign.Successor.PID) {
		s.showForeign(tree)
		s.followForeign(ctx)
		s.retryIn(pauseUnit) // its end is no event
		return true
	}
	rec := s.foreignRecord(ctx, tree)
	if rec == nil {
		s.foreignEnded(ctx)
		return s.awaitForeign()
	}
	s.announced = time.Time{}
	lock, err := TransactionRuns(s.locks)
	if err != nil {
		s.log.Warn("cannot tell whether a package transaction runs", "error", err)
	}
	condemned := s.attachment.condemnation(rec.Successor.Key()) != nil
	switch {
	case s.attachment.Held, lock == "" && !condemned, len(rec.Old.Listeners) == 0:
		s.watchForeign(rec, tree)
	default:
		s.adoptForeign(ctx, rec, condemned)
	}
	return true
}

// foreignRecord describes the upgrade, or is nil when there is none.
func (s *Supervisor) foreignRecord(ctx context.Context, tree nginx.Tree) *Record {
	m := s.current
	for _, child := range tree.Successors() {
		build, err := s.buildOf(ctx, child.ID)
		if err != nil {
			continue // it is gone
		}
		held, err := m.Listeners()
		if err != nil {
			return nil
		}
		if m.leaving(tree) {
			held = nil // what it may still have is nothing that can be taken over
		}
		others := slices.DeleteFunc(tree.Successors(), func(other nginx.Child) bool { return other.ID == child.ID })
		now := time.Now()
		return &Record{
			Version: recordVersion, ID: newID(now), Boot: bootID(), Instance: s.instance.Name, Unit: s.unitName,
			Origin: OriginForeign, Started: now, Drift: s.drift(m),
			Old: Generation{PID: m.PID, Start: m.Start, Version: m.build.Number, SHA256: m.build.SHA256, Libraries: m.build.Libraries,
				Workers: identities(tree.With(nginx.RoleWorker)), Listeners: held},
			Successor: Generation{PID: child.PID, Start: child.Start, Version: build.Number, SHA256: build.SHA256, Libraries: build.Libraries},
			Strangers: identities(others),
		}
	}
	return nil
}

// Limits for a successor that its old master has announced.
const (
	announcedPause = 10 * time.Millisecond // ngx_exec_new_binary takes one to two
	announcedLimit = 5 * time.Second       // then it is no upgrade
)

// awaitForeign looks again soon when the old master has announced a successor
// that is not there yet: ngx_exec_new_binary renames the pid file, and that is
// the last event, before it forks. It reports whether one may still come.
func (s *Supervisor) awaitForeign() bool {
	if !s.current.announcesSuccessor() {
		s.announced = time.Time{}
		return false
	}
	if s.announced.IsZero() {
		s.announced = time.Now()
	}
	waited := time.Since(s.announced)
	s.retryIn(min(max(waited, announcedPause), pauseAttach))
	return waited < announcedLimit
}

// announcesSuccessor reports whether a master's pid file has the name that it
// gets at USR2.
func (m *master) announcesSuccessor() bool {
	if m.pidFile == "" {
		return false
	}
	pid, err := nginx.ReadPIDFile(m.root, m.pidFile+nginx.OldBin)
	return err == nil && pid == m.PID
}

// buildOf is what a process runs.
func (s *Supervisor) buildOf(ctx context.Context, id nginx.ID) (Build, error) {
	build, err := s.runningBuild(ctx, id.PID)
	if err != nil {
		return Build{}, err
	}
	if c, err := s.compare(s.current); err == nil && c != nil {
		build.Libraries = c.build.Libraries
		c.Close()
	}
	return build, nil
}

// watchForeign tells of an upgrade that is left to whoever makes it.
func (s *Supervisor) watchForeign(rec *Record, tree nginx.Tree) {
	s.foreign = rec
	s.showForeign(tree)
	s.audit().Cycle(EventForeign, rec, 0, "%s", s.snapshot().pending)
	s.retryIn(pauseUnit)
}

// showForeign says how it can be finished and, until old was told to go, be taken
// back.
func (s *Supervisor) showForeign(tree nginx.Tree) {
	rec := s.foreign
	id, old := rec.Successor.ID(), rec.Old.PID
	text := fmt.Sprintf("somebody else upgrades nginx: %s runs as %d beside old master %d with %s; ", rec.Successor.Version, id.PID, old, rec.Old.Version)
	if len(rec.Old.Listeners) == 0 || s.current.leaving(tree) {
		text += "that one was told to go and accepts no connections, so there is no way back to it"
	} else {
		text += fmt.Sprintf("to finish that run `kill -WINCH %d`, then `kill -QUIT %d`, to take it back run `kill -QUIT %d`", old, old, id.PID)
	}
	s.publish(func(v *view) {
		v.successor, v.pending = &id, text
		v.disk = rec.Successor.build()
	})
}

// leaving reports whether a master was told to go: its workers accept no more,
// and it has closed its listeners.
func (m *master) leaving(tree nginx.Tree) bool {
	if len(tree.With(nginx.RoleWorker, nginx.RoleStarting)) > 0 {
		return false
	}
	held, err := m.Listeners()
	return err == nil && len(Generation{Listeners: held}.streams()) == 0
}

// followForeign makes systemd follow where it reads no pid file: the main process
// is the successor as soon as old accepts no more, and old again if that comes
// back.
func (s *Supervisor) followForeign(ctx context.Context) {
	m, rec := s.current, s.foreign
	if m.unit == nil || m.unitPIDFile != "" || m.mute {
		return
	}
	tree, err := nginx.ReadTree(m.ID)
	if err != nil {
		return
	}
	main := rec.Successor.PID
	if len(tree.With(nginx.RoleWorker, nginx.RoleStarting)) > 0 || !nginx.IsMaster(main) {
		main = m.PID
	}
	state, err := m.unit.State(ctx)
	if err != nil || state.MainPID == main {
		return
	}
	s.notifyUnit(m.unit, state.MainPID, fmt.Sprintf("MAINPID=%d", main))
}

// foreignEnded closes the record of an upgrade that was watched, when one of the
// two masters is gone.
func (s *Supervisor) foreignEnded(ctx context.Context) {
	rec := s.foreign
	if rec == nil {
		return
	}
	s.foreign = nil
	s.publish(func(v *view) { v.successor = nil })
	result, reason := Adopted, ""
	switch old, successor := lives(rec.Old.ID()), lives(rec.Successor.ID()); {
	case old && !successor:
		result, reason = RolledBack, "whoever began it took it back, or the new master died"
	case !successor:
		result, reason = Overtaken, "both masters are gone"
	}
	if err := s.closeRecord(rec, result, reason); err != nil {
		s.log.Error("cannot write the history", "error", err)
	}
	if m := s.current; result == Adopted && m.unit != nil && m.unitPIDFile == "" {
		// MainPID moved while old was its parent, see settleUnit.
		if err := m.unit.Reload(ctx); err != nil {
			s.log.Warn("cannot reload systemd; do it by hand (systemctl daemon-reload), or a later stop of the unit is not graceful", "error", err)
		}
	}
}
