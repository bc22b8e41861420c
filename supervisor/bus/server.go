package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// Server serves the objects: on a private socket, see Listen and Serve, and on
// the system bus, see ServeSystemBus.
type Server struct {
	// Instances gives those that are looked after at the moment.
	Instances func() []*supervisor.Supervisor
	// Reload reads the configuration anew.
	Reload func() error
	Log    *slog.Logger
	// Level is what org.freedesktop.LogControl1 sets; nil leaves that out.
	Level *slog.LevelVar

	listener     *net.UnixListener
	changesOnce  sync.Once
	changesValue *changes
	waits        waits
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

// acceptPause is after a connection that could not be accepted.
const acceptPause = 250 * time.Millisecond

// Serve answers, and sends the signals of all connections, until the context
// ends.
func (s *Server) Serve(ctx context.Context) error {
	go s.tell(ctx)
	defer s.listener.Close()
	stop := context.AfterFunc(ctx, func() { s.listener.Close() })
	defer stop()
	for {
		conn, err := s.listener.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("cannot accept: %w", err)
		case err != nil: // too many open files, which pass
			s.Log.Warn("cannot take a call", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(acceptPause):
			}
		default:
			go s.serve(ctx, conn)
		}
	}
}
