package bus

import (
	"context"
	"slices"

	"github.com/godbus/dbus/v5"
)

// Changes tells the names of instances whose Status may be another now, those
// of new instances and those of instances that are gone. A name that was not
// taken yet is not told twice. The channel is closed when the context or the
// connection ends.
func (c *Client) Changes(ctx context.Context) (<-chan string, error) {
	signals := make(chan *dbus.Signal, 16)
	c.conn.Signal(signals)
	// An answer proves that the daemon has begun to tell us.
	if err := c.ask(ctx, ManagerPath, "org.freedesktop.DBus.Peer.Ping").Err; err != nil {
		c.conn.RemoveSignal(signals)
		return nil, failure("the daemon does not tell what changes", err)
	}
	names := make(chan string)
	go func() {
		defer close(names)
		pass(ctx, signals, names)
		c.conn.RemoveSignal(signals)
	}()
	return names, nil
}

// pass takes signals at once and gives names when they are wanted.
func pass(ctx context.Context, signals <-chan *dbus.Signal, names chan<- string) {
	var waiting []string
	for {
		next, to := "", chan<- string(nil)
		if len(waiting) > 0 {
			next, to = waiting[0], names
		}
		select {
		case <-ctx.Done():
			return
		case signal, ok := <-signals:
			if !ok {
				return
			}
			if name, ok := changedInstance(signal); ok && !slices.Contains(waiting, name) {
				waiting = append(waiting, name)
			}
		case to <- next:
			waiting = waiting[1:]
		}
	}
}

func changedInstance(s *dbus.Signal) (string, bool) {
	switch s.Name {
	case propertiesInterface + ".PropertiesChanged":
		return InstanceName(s.Path)
	case objectManagerInterface + ".InterfacesAdded", objectManagerInterface + ".InterfacesRemoved":
		if len(s.Body) == 0 {
			return "", false
		}
		path, _ := s.Body[0].(dbus.ObjectPath)
		return InstanceName(path)
	}
	return "", false
}
