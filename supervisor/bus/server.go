package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/godbus/dbus/v5"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// Server serves the objects of the instances on a private socket.
type Server struct {
	// Instances gives those that are looked after at the moment.
	Instances func() []*supervisor.Supervisor
	// Reload reads the configuration anew.
	Reload func() error
	Log    *slog.Logger

	listener *net.UnixListener
}

// Listen opens the socket in the runtime directory. A socket that a killed
// daemon left behind is replaced; the caller holds the daemon's lock.
func (s *Server) Listen(runtime string) error {
	path := filepath.Join(runtime, Socket)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot replace the socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return err
	}
	s.listener = l
	return nil
}

// Serve answers until the context ends.
func (s *Server) Serve(ctx context.Context) error {
	defer s.listener.Close()
	stop := context.AfterFunc(ctx, func() { s.listener.Close() })
	defer stop()
	for {
		conn, err := s.listener.AcceptUnix()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot accept: %w", err)
		}
		go s.serve(ctx, conn)
	}
}

func (s *Server) serve(ctx context.Context, conn *net.UnixConn) {
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
	daemon := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	peer, err := dbus.NewConn(&accepted{Conn: conn}, dbus.WithContext(ctx))
	if err != nil {
		s.Log.Debug("cannot serve a connection", "error", err)
		return
	}
	defer peer.Close()
	if err := s.export(ctx, daemon, peer); err != nil {
		s.Log.Error("cannot export the objects", "error", err)
		return
	}
	if err := peer.Auth(nil); err != nil {
		s.Log.Debug("cannot serve a connection", "error", err)
		return
	}
	<-peer.Context().Done()
}

// export offers the manager and every instance on a connection.
func (s *Server) export(ctx, daemon context.Context, peer *dbus.Conn) error {
	manager := &manager{s.Instances, s.Reload}
	err := errors.Join(
		peer.Export(manager, ManagerPath, ManagerInterface),
		peer.Export(managerIntrospection, ManagerPath, "org.freedesktop.DBus.Introspectable"))
	for _, instance := range s.Instances() {
		path := InstancePath(instance.Name())
		err = errors.Join(err,
			peer.Export(&object{ctx, daemon, instance}, path, InstanceInterface),
			peer.Export(&properties{instance}, path, "org.freedesktop.DBus.Properties"),
			peer.Export(instanceIntrospection, path, "org.freedesktop.DBus.Introspectable"))
	}
	return err
}
