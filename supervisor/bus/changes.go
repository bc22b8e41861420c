package bus

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// signalsPause is how long news are gathered before they are looked at, so that a
// cycle in which much happens makes few signals, and none while it is busiest.
const signalsPause = 100 * time.Millisecond

// signal is what is told to everybody.
type signal struct {
	path dbus.ObjectPath
	name string // interface and member
	body []any
}

// listener is a connection that gets the signals. One that does not take them
// in time is given up.
type listener struct {
	signals chan signal
	giveUp  context.CancelFunc
}

// manySignals are never on their way to a listener that reads.
const manySignals = 4096

// changes knows who listens and what was told.
type changes struct {
	wake chan struct{}

	markMu   sync.Mutex
	marked   map[string]bool // instances that may have changed
	finished []*supervisor.Record

	mu        sync.Mutex
	listeners map[*listener]bool
	told      map[string]map[string]dbus.Variant // by instance; nil while nobody listens
}

// Changed says that the status of an instance may be another, or that the
// instance is new or gone. It does not block.
func (s *Server) Changed(instance string) {
	c := s.changes()
	c.markMu.Lock()
	c.marked[instance] = true
	c.markMu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Finished says that a cycle has come to its end. It does not block.
func (s *Server) Finished(r *supervisor.Record) {
	c := s.changes()
	c.markMu.Lock()
	c.finished = append(c.finished, r)
	c.markMu.Unlock()
	s.Changed(r.Instance)
}

// take gives what was said since the last time.
func (c *changes) take() (map[string]bool, []*supervisor.Record) {
	c.markMu.Lock()
	defer c.markMu.Unlock()
	marked, finished := c.marked, c.finished
	c.marked, c.finished = make(map[string]bool), nil
	return marked, finished
}

func (s *Server) changes() *changes {
	s.changesOnce.Do(func() {
		s.changesValue = &changes{wake: make(chan struct{}, 1), marked: make(map[string]bool), listeners: make(map[*listener]bool)}
	})
	return s.changesValue
}

// listen makes a connection a listener. What is told first is what changes after
// that.
func (s *Server) listen(giveUp context.CancelFunc) (*listener, func()) {
	c, l := s.changes(), &listener{make(chan signal, manySignals), giveUp}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.told == nil {
		c.told = make(map[string]map[string]dbus.Variant)
		for _, i := range s.Instances() {
			c.told[i.Name()] = variants(i.Status())
		}
	}
	c.listeners[l] = true
	return l, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.listeners, l)
	}
}

// tell sends signals until the context ends. It sleeps while nothing changes.
func (s *Server) tell(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.changes().wake:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(signalsPause):
		}
		s.look()
	}
}

// look compares what was told with what is.
func (s *Server) look() {
	c := s.changes()
	s.endWaits()
	marked, finished := c.take()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.listeners) == 0 {
		c.told = nil // a look costs, and nobody would hear of it
		return
	}
	gone := make(map[string]bool)
	for name := range c.told {
		gone[name] = true
	}
	for _, i := range s.Instances() {
		delete(gone, i.Name())
		c.lookAt(i, marked[i.Name()])
	}
	for name := range gone {
		delete(c.told, name)
		c.send(ManagerPath, objectManagerInterface+".InterfacesRemoved", InstancePath(name), []string{InstanceInterface})
	}
	for _, r := range finished {
		c.send(InstancePath(r.Instance), InstanceInterface+".Finished", clean(r.ID), clean(string(r.Result)), clean(r.Reason))
	}
}

func (c *changes) lookAt(i *supervisor.Supervisor, marked bool) {
	was, known := c.told[i.Name()]
	if known && !marked {
		return
	}
	is, path := variants(i.Status()), InstancePath(i.Name())
	c.told[i.Name()] = is
	if !known {
		c.send(ManagerPath, objectManagerInterface+".InterfacesAdded", path, map[string]map[string]dbus.Variant{InstanceInterface: is})
		return
	}
	if changed, invalidated := difference(was, is); len(changed)+len(invalidated) > 0 {
		c.send(path, propertiesInterface+".PropertiesChanged", InstanceInterface, changed, invalidated)
	}
}

func (c *changes) send(path dbus.ObjectPath, name string, body ...any) {
	for l := range c.listeners {
		select {
		case l.signals <- signal{path, name, body}:
		default:
			l.giveUp()
		}
	}
}

// difference are the properties that have another value, and the names of those
// whose value is not told.
func difference(was, is map[string]dbus.Variant) (changed map[string]dbus.Variant, invalidated []string) {
	changed, invalidated = map[string]dbus.Variant{}, []string{}
	for _, p := range instanceInterface.Properties {
		a, b := was[p.Name], is[p.Name]
		switch p.Annotations[0].Value {
		case "true":
			if !reflect.DeepEqual(a, b) {
				changed[p.Name] = b
			}
		case "invalidates":
			if !reflect.DeepEqual(quiet(a), quiet(b)) {
				invalidated = append(invalidated, p.Name)
			}
		}
	}
	return changed, invalidated
}

// quiet are the masters without what changes all the time.
func quiet(masters dbus.Variant) []MasterProperty {
	list, _ := masters.Value().([]MasterProperty)
	list = slices.Clone(list)
	for i := range list {
		list[i].Workers = slices.Clone(list[i].Workers)
		for j := range list[i].Workers {
			list[i].Workers[j].Connections = 0
		}
	}
	return list
}

// pass sends the signals over a connection until that ends.
func (l *listener) pass(conn *dbus.Conn) {
	for {
		select {
		case <-conn.Context().Done():
			return
		case s := <-l.signals:
			if err := conn.Emit(s.path, s.name, s.body...); err != nil {
				l.giveUp()
				return
			}
		}
	}
}
