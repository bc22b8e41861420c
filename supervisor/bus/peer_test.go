package bus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
)

// TestHostilePeers lets peers misbehave; each loses its connection and nobody
// else notices.
func TestHostilePeers(t *testing.T) {
	const hello = "\x00AUTH EXTERNAL 30\r\nBEGIN\r\n"
	d := serve(t, nil, "nginx")
	good := d.dial(t)
	for name, says := range map[string]string{
		"garbage":                 "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"no NUL":                  "AUTH EXTERNAL 30\r\n",
		"a huge line":             "\x00" + strings.Repeat("A", 1<<20),
		"too many lines":          "\x00" + strings.Repeat("AUTH ANONYMOUS\r\n", 1000),
		"garbage as messages":     hello + strings.Repeat("\xff", 4096),
		"a huge message":          hello + "l\x01\x00\x01\xff\xff\xff\x7f\x01\x00\x00\x00\xff\xff\xff\x7f" + strings.Repeat("\x00", 64),
		"a bus's word":            hello + forged(t),
		"zeros as messages":       hello + strings.Repeat("\x00", 4096),
		"the end before it began": "",
		"the end in a line":       "\x00AUTH EXT",
		"the end of a message":    hello + "l\x01\x00\x01",
	} {
		t.Run(name, func(t *testing.T) {
			conn := d.raw(t)
			if err := conn.SetDeadline(time.Now().Add(handshakeLimit - time.Second)); err != nil {
				t.Fatal(err)
			}
			// The server may hang up in the middle of it.
			_, _ = io.WriteString(conn, says)
			_ = conn.CloseWrite()
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection stays open")
			}
			if _, err := good.Instances(t.Context()); err != nil {
				t.Errorf("another client: %v", err)
			}
			if _, err := d.dial(t).Instances(t.Context()); err != nil {
				t.Errorf("a new client: %v", err)
			}
		})
	}
}

// forged is what only a bus says, and not with such arguments.
func forged(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	msg := &dbus.Message{Type: dbus.TypeSignal, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldSender: dbus.MakeVariant("org.freedesktop.DBus"), dbus.FieldInterface: dbus.MakeVariant("org.freedesktop.DBus"),
		dbus.FieldMember: dbus.MakeVariant("NameLost"), dbus.FieldPath: dbus.MakeVariant(dbus.ObjectPath("/org/freedesktop/DBus")),
		dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf(uint32(1))),
	}, Body: []any{uint32(1)}}
	if err := msg.EncodeTo(&b, binary.LittleEndian); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestManyConnections(t *testing.T) {
	d := serve(t, nil, "nginx")
	const many = 200
	held := make(chan struct{})
	var ready, all sync.WaitGroup
	for range many {
		ready.Add(1)
		all.Go(func() {
			c, err := Dial(t.Context(), d.runtime)
			ready.Done()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			<-held // all are open now
			if list, err := c.Instances(t.Context()); err != nil || len(list) != 1 {
				t.Errorf("got %v, %v", list, err)
			}
			if st, err := c.Status(t.Context(), "nginx"); err != nil || st.Name != "nginx" {
				t.Errorf("got %+v, %v", st, err)
			}
		})
	}
	ready.Wait()
	close(held)
	all.Wait()
}

func TestNoDaemon(t *testing.T) {
	if c, err := Dial(t.Context(), filepath.Join(runtimeDirectory(t), "none")); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("without the directory: %v, %v", c, err)
	}
	dir := runtimeDirectory(t)
	if c, err := Dial(t.Context(), dir); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("without the socket: %v, %v", c, err)
	}
	// A killed daemon leaves its socket.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, Socket), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if c, err := Dial(t.Context(), dir); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("with a socket left behind: %v, %v", c, err)
	}
	var s Server
	if err := s.Listen(dir); err != nil {
		t.Fatal(err)
	}
	defer s.listener.Close()
	info, err := os.Stat(filepath.Join(dir, Socket))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the new socket has %v, %v", info.Mode(), err)
	}
}

func TestStoppedDaemon(t *testing.T) {
	d := serve(t, nil, "nginx")
	c := d.dial(t)
	if _, err := c.Instances(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.stop()
	if c, err := Dial(t.Context(), d.runtime); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("got %v, %v", c, err)
	}
	nginxtest.Eventually(t, "it does not answer on the connection that it had", func() bool {
		_, err := c.Instances(t.Context())
		return err != nil
	})
}

// TestDialDoesNotHang calls somebody who takes the call and says nothing.
func TestDialDoesNotHang(t *testing.T) {
	dir := runtimeDirectory(t)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, Socket), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	usual := answerLimit
	answerLimit = time.Second
	if c, err := Dial(t.Context(), dir); err != ErrNoAnswer {
		t.Errorf("got %v, %v", c, err)
	}
	answerLimit = usual
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if c, err := Dial(ctx, dir); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrNoAnswer) {
		t.Errorf("with a deadline that is sooner: %v, %v", c, err)
	}
}

// TestForeignClients calls with the tool that speaks peer to peer. busctl and
// gdbus want a bus daemon behind the address.
func TestForeignClients(t *testing.T) {
	d := serve(t, nil, "nginx")
	address := "unix:path=" + filepath.Join(d.runtime, Socket)
	object := string(InstancePath("nginx"))
	for _, tt := range []struct {
		argv []string
		says string
	}{
		{[]string{"dbus-send", "--peer=" + address, "--print-reply", "--type=method_call", string(ManagerPath), ManagerInterface + ".ListInstances"}, `string "nginx"`},
		{[]string{"dbus-send", "--peer=" + address, "--print-reply", object, "org.freedesktop.DBus.Properties.Get",
			"string:" + InstanceInterface, "string:Phase"}, `string "idle"`},
	} {
		t.Run(tt.argv[0], func(t *testing.T) {
			path, err := exec.LookPath(tt.argv[0])
			if err != nil {
				t.Skip(tt.argv[0] + " is not installed")
			}
			out, err := exec.CommandContext(t.Context(), path, tt.argv[1:]...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), tt.says) {
				t.Errorf("%v: %v\n%s", tt.argv, err, out)
			}
		})
	}
}

// TestOnlyRootIsLetIn first opens the socket's mode to everybody: the kernel's
// word for who calls has to be enough.
func TestOnlyRootIsLetIn(t *testing.T) {
	if os.Geteuid() != 0 {
		nginxtest.Unable(t, "needs root: another user is needed")
	}
	d := serve(t, nil, "nginx")
	for _, tt := range []struct {
		mode os.FileMode
		uid  int
		says string
	}{
		{0o600, 65534, "only root may speak to the daemon"},
		{0o666, 65534, "cannot reach the daemon"},
		{0o666, 1, "cannot reach the daemon"},
		{0o600, 0, "let in"},
	} {
		t.Run(fmt.Sprintf("uid %d mode %o", tt.uid, tt.mode), func(t *testing.T) {
			if err := os.Chmod(filepath.Join(d.runtime, Socket), tt.mode); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "/proc/self/exe", fmt.Sprint(tt.uid))
			cmd.Env = append(os.Environ(), childEnv+"="+d.runtime)
			out, err := cmd.CombinedOutput()
			if !strings.Contains(string(out), tt.says) || (err == nil) != (tt.uid == 0) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestPeerUID asks about ourselves.
func TestPeerUID(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	file := os.NewFile(uintptr(fds[0]), "pair")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if uid, err := peerUID(conn.(*net.UnixConn)); err != nil || uid != uint32(os.Geteuid()) {
		t.Errorf("got %d, %v", uid, err)
	}
}

// A connection that cannot be taken, as when there are too many open files, is not
// the end of the others.
func TestAcceptFails(t *testing.T) {
	d := serve(t, nil, "nginx")
	if err := d.listener.SetDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // it fails
	if err := d.listener.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.dial(t).Status(t.Context(), "nginx"); err != nil {
		t.Error(err)
	}
}
