package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// childEnv makes the test binary a client under another user's identity; it
// is the runtime directory.
const childEnv = "BUS_TEST_RUNTIME"

func TestMain(m *testing.M) {
	answerLimit = time.Minute // what is meant to be answered is, however busy the machine is
	if socket := os.Getenv(nobodyEnv); socket != "" {
		if err := beNobody(socket, os.Args[1]); err != nil {
			fmt.Println(err)
		}
		os.Exit(0)
	}
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
	*Server
	runtime string
	stop    func()

	mu        sync.Mutex
	instances []*supervisor.Supervisor
}

func (d *daemon) list() []*supervisor.Supervisor {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.instances)
}

// change adds or removes instances, as the daemon may.
func (d *daemon) change(how func([]*supervisor.Supervisor) []*supervisor.Supervisor) {
	d.mu.Lock()
	d.instances = how(d.instances)
	d.mu.Unlock()
	d.Changed("")
}

// serve starts a server; reload may be nil.
func serve(t *testing.T, reload func() error, names ...string) *daemon {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	d := &daemon{runtime: runtimeDirectory(t)}
	d.Server = &Server{Instances: d.list, Reload: reload, Log: slog.New(slog.DiscardHandler), Level: new(slog.LevelVar)}
	ended := make(chan error, len(names)+1)
	for _, name := range names {
		s := newInstance(t, name, func() { d.Changed(name) })
		d.instances = append(d.instances, s)
		go func() { ended <- s.Run(ctx) }()
	}
	if err := d.Listen(d.runtime); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- d.Serve(ctx) }()
	stopped := false
	d.stop = func() {
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
	t.Cleanup(d.stop)
	return d
}

func newInstance(t *testing.T, name string, changed func()) *supervisor.Supervisor {
	dir := t.TempDir()
	return supervisor.New(supervisor.InstanceConfig{Name: name, PIDFile: filepath.Join(dir, "none.pid")}, supervisor.Options{
		Config: supervisor.Defaults(), Store: supervisor.Store{Runtime: dir, State: dir}, PackageLocks: []supervisor.PackageLock{}, OnChange: changed})
}

// disturb gives an instance another reason for not running.
func disturb(t *testing.T, s *supervisor.Supervisor, how string) {
	t.Helper()
	if err := os.WriteFile(s.PIDFile(), []byte(how), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Poke()
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
