package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// refresh makes sure that we are attached to the master that runs now.
func (s *Supervisor) refresh(ctx context.Context) error {
	if s.current != nil && s.current.Alive() {
		moved, err := s.moved(ctx)
		if err != nil || !moved {
			return err
		}
	}
	s.detach()
	m, err := s.attach(ctx)
	if err != nil {
		return err
	}
	return s.attached(ctx, m)
}

// moved reports whether the instance has another master than the one that we
// know, although that one lives.
func (s *Supervisor) moved(ctx context.Context) (bool, error) {
	if s.current.unit == nil {
		pid, err := s.pidFromFile(s.instance.PIDFile)
		return err == nil && pid != s.current.PID && !s.current.parentOf(pid), nil
	}
	state, err := s.current.unit.State(ctx)
	return err == nil && state.MainPID != 0 && state.MainPID != s.current.PID && !s.current.parentOf(state.MainPID), err
}

// parentOf reports whether a process is a successor of the master: somebody else
// upgrades it, and until the master goes the instance is still this one.
func (m *master) parentOf(pid int) bool {
	tree, err := nginx.ReadTree(m.ID)
	return err == nil && slices.ContainsFunc(tree.Successors(), func(c nginx.Child) bool { return c.PID == pid })
}

// attached takes a master into our care.
func (s *Supervisor) attached(ctx context.Context, m *master) error {
	s.current = m
	s.backoff = 0
	if m.unit != nil {
		s.unitName = m.unit.Name()
	}
	s.audit().Event(EventAttached, m.PID, nil, "attached to %s, nginx %s, binary %s", m.name(), m.build.Short(), m.binary)
	if err := s.loadAttachment(m); err != nil {
		return err
	}
	// Only now: what lands on disk after we are seen is no baseline any more.
	s.adopted(m)
	s.publish(func(v *view) { v.held = s.attachment.Held })
	s.onAttach()
	s.sweep(ctx, m)
	if err := s.keepRunning(m); err != nil {
		s.log.Warn(fmt.Sprintf("%s: cannot keep the running build", s.instance.Name), "error", err)
	}
	if m.unit != nil && !m.mute {
		s.notifyUnit(m.unit, m.PID, "STATUS="+unitStatus(m.build.Number, m.since, s.history(m)))
	}
	return nil
}

// history says in a few words how a master came about.
func (s *Supervisor) history(m *master) string {
	last := s.store.Last(s.instance.Name)
	if last == nil || !last.Result.isUpgrade() || last.Successor.ID() != m.ID {
		return "watched"
	}
	return "upgraded from " + last.Old.Version
}

// adopted shows a master to those who ask.
func (s *Supervisor) adopted(m *master) {
	if m.unit != nil {
		s.unitName = m.unit.Name()
	}
	listeners := s.countListeners(m)
	if listeners > 0 {
		s.deserted = ""
	}
	var mapped []string
	if s.watchLibraries {
		files, err := s.libraries(m)
		if err != nil {
			s.log.Debug("cannot watch the libraries", "error", err)
		}
		mapped = files.paths
	}
	same := sameRoot(m.PID, m.binary)
	s.publish(func(v *view) {
		v.main, v.running, v.path, v.since, v.problem = &m.ID, m.build, m.binary, m.since, ""
		v.listeners, v.unit, v.mapped, v.sameRoot, v.pidFile = listeners, s.unitName, mapped, same, m.pidFile
	})
}

func (s *Supervisor) countListeners(m *master) int {
	found, err := m.Listeners()
	if err != nil {
		s.log.Debug("cannot list the listeners", "error", err)
	}
	return len(found)
}

func (s *Supervisor) detach() {
	if s.current == nil {
		return
	}
	s.publish(func(v *view) { v.main, v.successor = nil, nil })
	s.release()
}

// release lets go of the master and leaves what is shown.
func (s *Supervisor) release() {
	if s.current == nil {
		return
	}
	s.current.Close()
	s.current = nil
	s.onAttach()
}

// notAttached says once why there is nothing to look after.
func (s *Supervisor) notAttached(err error) {
	text := err.Error()
	if s.instance.Unit == "" || !errors.Is(err, ErrNotRunning) {
		// Nobody tells when a master comes that is known by its pid file, or
		// when one is past its start.
		s.retryLater()
	}
	if s.snapshot().problem == text {
		return
	}
	s.publish(func(v *view) { v.main, v.successor, v.problem = nil, nil, text })
	if errors.Is(err, ErrNotRunning) {
		s.audit().Event(EventDetached, 0, nil, "%s", text)
		return
	}
	s.log.Warn(s.instance.Name+": cannot attach: "+text, fieldInstance, s.instance.Name)
}

// notifyUnit sends sd_notify lines on behalf of the unit, where the unit takes
// them.
func (s *Supervisor) notifyUnit(unit Unit, pid int, lines ...string) {
	if err := unit.Notify(pid, lines...); err != nil && !errors.Is(err, nginx.ErrGone) {
		s.log.Debug("cannot speak for the unit", "unit", unit.Name(), "error", err)
	}
}
