package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// childEnv makes the test binary a client under another user's identity; it
// is the runtime directory.
const childEnv = "BUS_TEST_RUNTIME"

func TestMain(m *testing.M) {
	if runtime := os.Getenv(childEnv); runtime != "" {
		if err := beSomebodyElse(runtime, os.Args[1]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("let in")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// beSomebodyElse gives up root and then calls. It is done here and not by
// whoever starts us because another user may not execute a test binary.
func beSomebodyElse(runtime, id string) error {
	n, err := strconv.Atoi(id)
	if err != nil {
		return err
	}
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(n), syscall.Setuid(n)); err != nil {
		return err
	}
	c, err := Dial(context.Background(), runtime)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Instances(context.Background())
	return err
}

// daemon is a server with instances that are not running.
type daemon struct {
	runtime string
	stop    func()
}

// serve starts a server; reload may be nil.
func serve(t *testing.T, reload func() error, names ...string) *daemon {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var instances []*supervisor.Supervisor
	ended := make(chan error, len(names)+1)
	for _, name := range names {
		s := newInstance(t, name)
		instances = append(instances, s)
		go func() { ended <- s.Run(ctx) }()
	}
	runtime := runtimeDirectory(t)
	s := &Server{Instances: func() []*supervisor.Supervisor { return instances }, Reload: reload, Log: slog.New(slog.DiscardHandler)}
	if err := s.Listen(runtime); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- s.Serve(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		for range len(names) + 1 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(stop)
	return &daemon{runtime, stop}
}

func newInstance(t *testing.T, name string) *supervisor.Supervisor {
	dir := t.TempDir()
	return supervisor.New(supervisor.InstanceConfig{Name: name, PIDFile: filepath.Join(dir, "none.pid")}, supervisor.Options{
		Config: supervisor.Defaults(), Store: supervisor.Store{Runtime: dir, State: dir}, PackageLocks: []supervisor.PackageLock{}})
}

// runtimeDirectory has a short name, which sun_path needs, and is open to
// others, so that it is not what keeps them out.
func runtimeDirectory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bus")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (d *daemon) dial(t *testing.T) *Client {
	t.Helper()
	c, err := Dial(t.Context(), d.runtime)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// raw connects without a handshake.
func (d *daemon) raw(t *testing.T) *net.UnixConn {
	t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: filepath.Join(d.runtime, Socket), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
