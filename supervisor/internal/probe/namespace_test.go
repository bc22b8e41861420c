package probe

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/freeport"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// apart starts a process in a network namespace of its own.
func apart(t *testing.T) *Namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		nginxtest.Unable(t, "needs root, for network namespaces")
	}
	cmd := exec.Command("/bin/sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // Pdeathsig goes by thread
	t.Cleanup(runtime.UnlockOSThread)
	if err := cmd.Start(); err != nil {
		nginxtest.Unable(t, fmt.Sprintf("cannot make a network namespace: %v", err))
	}
	n, err := OpenNamespace(cmd.Process.Pid)
	// The namespace stays for as long as we hold it.
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// loopbackUp makes 127.0.0.1 usable in the calling thread's namespace.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

func TestNamespace(t *testing.T) {
	n := apart(t)
	before, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	address := freeport.Address(t) // nobody has it in ours
	var l net.Listener
	if err := n.Do(func() (err error) {
		if err := loopbackUp(); err != nil {
			return err
		}
		l, err = net.Listen("tcp4", address)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	serveOn(t, l, answer(ok))
	url := "http://" + l.Addr().String() + "/"
	for range 20 {
		if got := (Target{URL: url, In: n, Timeout: time.Minute}).Ask(t.Context()); got.Status != 200 {
			t.Fatalf("in its namespace: %+v", got)
		}
		if got := (Target{URL: url}).Ask(t.Context()); got.Outcome != Refused {
			t.Fatalf("in ours: %+v", got)
		}
	}
	d := Learner{In: n}.Learn(t.Context(), []nginx.Listener{{Network: "tcp", Address: l.Addr().String()}})
	if found := d.Check(t.Context()); len(found) != 0 || len(d.Expectations) != 1 {
		t.Errorf("learned %+v, then %s", d, texts(found))
	}
	d.Expectations[0].Target.In = nil // as if it had been written down
	if found := d.Check(t.Context()); len(found) != 0 {
		t.Errorf("in the namespace of Differential.In: %s", texts(found))
	}
	script := fmt.Sprintf("[ \"$(readlink /proc/self/ns/net)\" != %q ]", before)
	if got := (Target{Exec: []string{"/bin/sh", "-c", script}, In: n, Timeout: time.Minute}).Ask(t.Context()); got.Outcome != exited(0) {
		t.Errorf("a program: %+v", got)
	}
	nginxtest.Eventually(t, "no thread is left elsewhere", func() bool { return threadsElsewhere(t, before) == 0 })
}

// The main thread, which cannot end, is never sent elsewhere.
func TestNamespaceMainThread(t *testing.T) {
	n := apart(t)
	before, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	// Which thread a goroutine gets is the scheduler's choice: in so many
	// tries the main one has its turn.
	for deadline := time.Now().Add(200 * time.Millisecond); time.Now().Before(deadline); {
		if err := n.Do(func() error {
			if unix.Gettid() == unix.Getpid() {
				return fmt.Errorf("on the main thread")
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if after, err := os.Readlink("/proc/self/ns/net"); err != nil || after != before {
		t.Errorf("we are in %s now, %v", after, err)
	}
}

func threadsElsewhere(t *testing.T, ours string) (count int) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		link, err := os.Readlink("/proc/self/task/" + task.Name() + "/ns/net")
		if err == nil && strings.HasPrefix(link, "net:") && link != ours {
			count++
		}
	}
	return count
}

func TestNamespaceOurs(t *testing.T) {
	n, err := OpenNamespace(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	address := serve(t, answer(ok))
	for _, in := range []*Namespace{nil, n} { // neither needs a privilege
		if got := (Target{URL: "http://" + address, In: in, Timeout: time.Minute}).Ask(t.Context()); got.Status != 200 {
			t.Errorf("got %+v", got)
		}
	}
	if _, err := OpenNamespace(1 << 22); err == nil {
		t.Error("a namespace of no process")
	}
}
