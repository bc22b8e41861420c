package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/godbus/dbus/v5"
)

// busLimit is how long a bus may take to let us in; it may be started by that.
const busLimit = time.Minute

// ErrNameTaken says that another process has our name on the bus.
var ErrNameTaken = errors.New("another process has the name " + Name)

// ServeSystemBus connects to the bus that listens on a socket, takes the name
// and answers until the connection ends; serving is called once callers find
// us. The signals are those of Serve, which has to run too.
func (s *Server) ServeSystemBus(ctx context.Context, socket string, serving func()) error {
	daemon := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := s.joinBus(ctx, daemon, socket)
	if err != nil {
		return fmt.Errorf("cannot join the system bus: %w", err)
	}
	defer conn.Close()
	l, leave := s.listen(cancel)
	defer leave()
	reply, err := conn.RequestName(Name, dbus.NameFlagDoNotQueue)
	if err == nil && reply != dbus.RequestNameReplyPrimaryOwner {
		err = ErrNameTaken
	}
	if err != nil {
		return fmt.Errorf("cannot serve on the system bus: %w", err)
	}
	serving()
	l.pass(conn)
	return nil
}

// joinBus is everything before the name. The context bounds the connection.
func (s *Server) joinBus(ctx, daemon context.Context, socket string) (*dbus.Conn, error) {
	var d net.Dialer
	raw, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	w, a := newWire(raw), &authority{}
	conn, err := dbus.NewConn(w, dbus.WithContext(ctx),
		dbus.WithHandler(&connection{server: s, ctx: ctx, daemon: daemon, authority: a}))
	if err != nil {
		raw.Close()
		return nil, err
	}
	a.conn = conn
	w.serves(conn)
	late := time.AfterFunc(busLimit, func() { conn.Close() })
	defer late.Stop()
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Geteuid()))}); err != nil {
		conn.Close()
		return nil, err
	}
	if err := conn.Hello(); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}
