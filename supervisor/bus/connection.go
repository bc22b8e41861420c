package bus

import (
	"context"
	"net"
	"os"

	"github.com/godbus/dbus/v5"
)

// What polkit knows: the first is for what changes which build runs, the second
// for what changes when that happens by itself.
const (
	actionUpgrade = Name + ".upgrade"
	actionManage  = Name + ".manage"
)

// connection is one over which the objects are served. ctx ends with it, daemon
// with the server.
type connection struct {
	server      *Server
	ctx, daemon context.Context
	authority   *authority // nil on a private one: only root is there
	limits      limits
}

func (c *connection) private() bool { return c.authority == nil }

// authorize reports why a call may not act.
func (c *connection) authorize(call *call, action, instance string) error {
	if c.private() {
		return nil
	}
	return c.authority.check(c.ctx, call, action, instance)
}

// rootOnly is for what polkit is not asked about.
func (c *connection) rootOnly(call *call) error {
	if c.private() {
		return nil
	}
	return c.authority.root(c.ctx, call)
}

// serve answers a peer.
func (s *Server) serve(daemon context.Context, conn *net.UnixConn) {
	defer conn.Close()
	uid, err := peerUID(conn)
	if err != nil || uid != 0 && uid != uint32(os.Geteuid()) {
		s.Log.Warn("a connection was refused: only root may speak to the daemon", "uid", uid, "error", err)
		return
	}
	if err := accept(conn); err != nil {
		s.Log.Debug("a connection ended in its handshake", "error", err)
		return
	}
	if err := s.servePeer(daemon, newAccepted(conn)); err != nil {
		s.Log.Debug("cannot serve a connection", "error", err)
	}
}

// servePeer answers until the connection ends.
func (s *Server) servePeer(daemon context.Context, w *accepted) error {
	ctx, cancel := context.WithCancel(daemon)
	defer cancel()
	peer, err := dbus.NewConn(w, dbus.WithContext(ctx), dbus.WithHandler(&connection{server: s, ctx: ctx, daemon: daemon}),
		dbus.WithIncomingInterceptor(ignoreSignals))
	if err != nil {
		return err
	}
	defer peer.Close()
	w.serves(peer)
	l, leave := s.listen(cancel)
	defer leave()
	if err := peer.Auth(nil); err != nil {
		return err
	}
	l.pass(peer)
	return nil
}

// ignoreSignals keeps from godbus what a peer has no reason to send: a forged
// word of a bus would make it panic.
func ignoreSignals(msg *dbus.Message) {
	if msg.Type != dbus.TypeMethodCall {
		msg.Type = 0
	}
}
