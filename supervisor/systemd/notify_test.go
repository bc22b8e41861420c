package systemd

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// listener is the receiving end of sd_notify, as PID 1 has it.
type listener struct {
	t    *testing.T
	conn *net.UnixConn
}

func listen(t *testing.T, name string) *listener {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return &listener{t, conn}
}

// receive gives the next datagram, the credentials, and the descriptors.
func (l *listener) receive() (payload string, cred *unix.Ucred, fds []int) {
	l.t.Helper()
	_ = l.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	buf, oob := make([]byte, 4096), make([]byte, 4096)
	n, oobn, _, _, err := l.conn.ReadMsgUnix(buf, oob)
	if err != nil {
		l.t.Fatal(err)
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		l.t.Fatal(err)
	}
	for _, m := range msgs {
		switch m.Header.Type {
		case unix.SCM_CREDENTIALS:
			cred, err = unix.ParseUnixCredentials(&m)
		case unix.SCM_RIGHTS:
			fds, err = unix.ParseUnixRights(&m)
		}
		if err != nil {
			l.t.Fatal(err)
		}
	}
	return string(buf[:n]), cred, fds
}

func TestNotifier(t *testing.T) {
	for _, socket := range []string{filepath.Join(t.TempDir(), "notify"), "@nginx-hotswap-test-" + strconv.Itoa(os.Getpid())} {
		l := listen(t, socket)
		t.Setenv("NOTIFY_SOCKET", socket)
		t.Setenv("WATCHDOG_USEC", "30000000")
		t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
		n := NewNotifier()
		if got := n.WatchdogInterval(); got != 30*time.Second {
			t.Errorf("watchdog interval %v", got)
		}
		if v, ok := os.LookupEnv("NOTIFY_SOCKET"); ok {
			t.Errorf("children inherit NOTIFY_SOCKET=%s", v)
		}
		for _, c := range []struct {
			send func() error
			want string
		}{
			{func() error { return n.Ready("watching nginx") }, "READY=1\nSTATUS=watching nginx"},
			{func() error { return n.Status("two\nlines\x00\x1b") }, "STATUS=two lines  "},
			{n.Watchdog, "WATCHDOG=1"},
			{func() error { return n.Stopping("finishing QUIT") }, "STOPPING=1\nSTATUS=finishing QUIT"},
		} {
			if err := c.send(); err != nil {
				t.Fatal(err)
			}
			got, cred, _ := l.receive()
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if cred == nil || int(cred.Pid) != os.Getpid() {
				t.Errorf("credentials %+v, want our own", cred)
			}
		}
	}
}

func TestNotifierUnset(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	var none *Notifier
	for _, n := range []*Notifier{none, NewNotifier()} {
		if err := errors.Join(n.Ready(""), n.Status(""), n.Watchdog(), n.Stopping("")); err != nil {
			t.Error(err)
		}
		if n.WatchdogInterval() != 0 {
			t.Error("a watchdog that nobody asked for")
		}
	}
}

func TestNotifierNoListener(t *testing.T) {
	n := &Notifier{socket: filepath.Join(t.TempDir(), "absent")}
	if err := n.Watchdog(); !errors.Is(err, unix.ENOENT) {
		t.Errorf("%v", err)
	}
	n.socket = "vsock:2:1234"
	if err := n.Watchdog(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
}

func TestWatchdogOfAnother(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "1000000")
	for pid, want := range map[string]time.Duration{"1": 0, "": time.Second} {
		t.Setenv("WATCHDOG_PID", pid)
		if got := watchdogInterval(); got != want {
			t.Errorf("WATCHDOG_PID=%q: %v, want %v", pid, got, want)
		}
	}
}

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                   "plain",
		"a\nMAINPID=1":            "a MAINPID=1",
		"tab\tcr\r\x00\x7f\u2028": "tab cr    ",
		"bad \xff utf":            "bad \uFFFD utf",
	} {
		if got := oneLine(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	if got := oneLine(strings.Repeat("é", 4000)); len(got) > statusLimit || !utf8.ValidString(got) {
		t.Errorf("%d bytes, valid %v", len(got), utf8.ValidString(got))
	}
}

// NotifyAs must carry the credentials of the other process, and come back when
// the receiver has closed the barrier.
func TestNotifyAs(t *testing.T) {
	needsAdmin(t)
	other := sleeper(t)
	l := listen(t, filepath.Join(t.TempDir(), "notify"))
	done := make(chan error, 1)
	go func() { done <- notifyAs(l.conn.LocalAddr().String(), other, []string{"MAINPID=7", "STATUS=a\nb"}) }()
	got, cred, _ := l.receive()
	if diff := cmp.Diff("MAINPID=7\nSTATUS=a b", got); diff != "" {
		t.Error(diff)
	}
	if cred == nil || int(cred.Pid) != other || int(cred.Uid) != os.Getuid() {
		t.Errorf("credentials %+v, want those of pid %d", cred, other)
	}
	got, cred, fds := l.receive()
	if got != "BARRIER=1" || len(fds) != 1 || int(cred.Pid) != os.Getpid() {
		t.Fatalf("%q with %d descriptors from pid %d", got, len(fds), cred.Pid)
	}
	select {
	case err := <-done:
		t.Fatalf("did not wait for the barrier: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	unix.Close(fds[0])
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestNotifyAsTheDead(t *testing.T) {
	needsAdmin(t)
	l := listen(t, filepath.Join(t.TempDir(), "notify"))
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	err := notifyAs(l.conn.LocalAddr().String(), cmd.Process.Pid, []string{"STATUS=x"})
	if !errors.Is(err, ErrNoProcess) {
		t.Errorf("%v, want ErrNoProcess", err)
	}
}

func sleeper(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

// needsAdmin skips a test that needs CAP_SYS_ADMIN.
func needsAdmin(t *testing.T) {
	t.Helper()
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		t.Fatal(err)
	}
	if data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("speaking for another process needs CAP_SYS_ADMIN")
	}
	t.Skip("speaking for another process needs CAP_SYS_ADMIN")
}
