package systemd

import (
	"context"
	"slices"

	"github.com/godbus/dbus/v5"
)

// subscription is one connection that brings the signals of units. On a bus it
// asks for those of the units that match and no others, because a busy system
// sends a lot; on the private socket all arrive and are sifted here.
type subscription struct {
	m        *Manager
	patterns []string
	watched  []string // units that match and are loaded
	signals  chan *dbus.Signal
}

// newSubscription connects and subscribes; nil when that is not possible now.
func newSubscription(ctx context.Context, patterns []string) *subscription {
	m, err := dialBus(ctx)
	if err != nil {
		if m, err = dialPrivate(ctx); err != nil {
			return nil
		}
	}
	s := &subscription{m: m, patterns: patterns, signals: make(chan *dbus.Signal, 16)}
	m.conn.Signal(s.signals)
	if err := s.subscribe(ctx); err != nil {
		s.close()
		return nil
	}
	return s
}

func (s *subscription) close() {
	s.m.Close()
}

// units are the units that match and are loaded, and those named in full.
func (s *subscription) units() []string {
	return slices.Clone(s.watched)
}

// subscribe orders the signals first and lists the units then, so that no unit
// slips through between the two.
func (s *subscription) subscribe(ctx context.Context) error {
	if s.m.bus {
		if err := s.m.call(ctx, "Subscribe").Err; err != nil {
			return err
		}
	}
	for _, member := range []string{"UnitNew", "UnitRemoved", "Reloading"} {
		if err := s.match(ctx, dbus.WithMatchObjectPath(busRoot), dbus.WithMatchInterface(ifManager),
			dbus.WithMatchMember(member)); err != nil {
			return err
		}
	}
	// A new PID 1 (daemon-reexec) has forgotten the subscription.
	if err := s.match(ctx, dbus.WithMatchSender("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"),
		dbus.WithMatchArg(0, busName)); err != nil {
		return err
	}
	for _, p := range s.patterns {
		if !isGlob(p) {
			if err := s.watch(ctx, p); err != nil {
				return err
			}
		}
	}
	return s.watchLoaded(ctx)
}

// watchLoaded takes up the units that a pattern stands for now.
func (s *subscription) watchLoaded(ctx context.Context) error {
	names, err := s.m.Units(ctx, s.patterns)
	if err != nil {
		return err
	}
	for _, u := range names {
		if err := s.watch(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

// watch orders the property changes of one unit, once.
func (s *subscription) watch(ctx context.Context, unit string) error {
	if slices.Contains(s.watched, unit) {
		return nil
	}
	s.watched = append(s.watched, unit)
	return s.match(ctx, dbus.WithMatchObjectPath(unitPath(unit)), dbus.WithMatchInterface(ifProps),
		dbus.WithMatchMember("PropertiesChanged"))
}

func (s *subscription) match(ctx context.Context, options ...dbus.MatchOption) error {
	if !s.m.bus {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return s.m.conn.AddMatchSignalContext(ctx, options...)
}

// changed translates signals to unit names until the connection or the context
// ends; then it closes the channel.
func (s *subscription) changed(ctx context.Context) <-chan string {
	out := make(chan string)
	go func() {
		defer close(out)
		for {
			select {
			case sig, ok := <-s.signals:
				if !ok || !s.pass(ctx, sig, out) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// pass hands on the units that a signal is about; false ends the subscription.
func (s *subscription) pass(ctx context.Context, sig *dbus.Signal, out chan<- string) bool {
	units, ok := s.about(ctx, sig)
	if !ok {
		return false
	}
	for _, u := range units {
		select {
		case out <- u:
		case <-ctx.Done():
			return false
		case <-s.m.conn.Context().Done():
			return false
		}
	}
	return true
}

// about reads a signal.
func (s *subscription) about(ctx context.Context, sig *dbus.Signal) (units []string, ok bool) {
	switch sig.Name {
	case "org.freedesktop.DBus.NameOwnerChanged":
		return nil, false
	case ifManager + ".Reloading":
		// The end of a reload, (false), may have changed any unit.
		if len(sig.Body) > 0 && sig.Body[0] == false {
			return s.watched, true
		}
	case ifManager + ".UnitNew", ifManager + ".UnitRemoved":
		name, _ := append(sig.Body, "")[0].(string)
		if !matchUnit(s.patterns, name) {
			return nil, true
		}
		return []string{name}, s.watch(ctx, name) == nil
	case ifProps + ".PropertiesChanged":
		if name, ok := unitName(sig.Path); ok && matchUnit(s.patterns, name) {
			return []string{name}, true
		}
	}
	return nil, true
}
