package nginx_test

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

func TestProcess(t *testing.T) {
	c := startChild(t, "exit 0")
	again, err := nginx.OpenID(c.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.ID != c.ID || !again.Alive() {
		t.Errorf("got %+v, want %+v", again.ID, c.ID)
	}
	for _, start := range []uint64{0, c.Start - 1, c.Start + 1} {
		if _, err := nginx.OpenID(nginx.ID{PID: c.PID, Start: start}); !errors.Is(err, nginx.ErrGone) {
			t.Errorf("another start time: got %v", err)
		}
	}
	select {
	case <-again.Exited():
		t.Error("it is said to have exited")
	default:
	}
	signal(t, again, unix.SIGCONT)

	c.end(t) // and is not reaped
	if stat, err := nginx.ReadStat(c.PID); err != nil || stat.State != 'Z' {
		t.Fatalf("no zombie: %+v, %v", stat, err)
	}
	<-again.Exited()
	checkGone(t, again, c.ID)
	if err := c.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	checkGone(t, again, c.ID)
}

// checkGone is for zombies and for what was reaped.
func checkGone(t *testing.T, p *nginx.Process, id nginx.ID) {
	t.Helper()
	if p.Alive() {
		t.Error("it is said to be alive")
	}
	if err := p.Signal(unix.SIGTERM); !errors.Is(err, nginx.ErrGone) {
		t.Errorf("Signal: got %v", err)
	}
	if _, err := nginx.OpenID(id); !errors.Is(err, nginx.ErrGone) {
		t.Errorf("OpenID: got %v", err)
	}
	if _, err := p.Listeners(); err == nil {
		t.Error("Listeners: no error")
	}
}

// A stale pid file may name anything.
func TestOpenStrangePIDs(t *testing.T) {
	pids := map[string]int{"negative": -1, "zero": 0, "beyond the limit": 1 << 22, "huge": 1<<31 - 1}
	for _, e := range readDir(t, "/proc/self/task") {
		if tid, _ := strconv.Atoi(e.Name()); tid != os.Getpid() {
			pids["a thread"] = tid
		}
	}
	if pids["a thread"] == 0 {
		t.Error("found no second thread")
	}
	before, _ := nginx.CountFDs(os.Getpid())
	for name, pid := range pids {
		for range 100 {
			if _, err := nginx.Open(pid); !errors.Is(err, nginx.ErrGone) {
				t.Errorf("%s (%d): got %v", name, pid, err)
			}
		}
	}
	if after, _ := nginx.CountFDs(os.Getpid()); after > before+50 {
		t.Errorf("descriptors: %d before, %d after", before, after)
	}
}

// Being unable to look at a process is not its end: an upgrade would go on as
// if the old master had exited.
func TestOpenWithoutDescriptors(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
	}()
	free, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Close(free); err != nil {
		t.Fatal(err)
	}
	// Room for the pidfd and for nothing else, then for neither.
	for _, n := range []int{free + 1, free} {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(n), Max: limit.Max}); err != nil {
			t.Fatal(err)
		}
		if _, err := nginx.Open(os.Getpid()); !errors.Is(err, unix.EMFILE) || errors.Is(err, nginx.ErrGone) {
			t.Errorf("got %v", err)
		}
	}
}

func TestExitedBySignal(t *testing.T) {
	c := startChild(t, "exit 0")
	exited := c.Exited()
	signal(t, c.Process, unix.SIGKILL)
	<-exited
	if c.Exited() != exited {
		t.Error("there are two channels")
	}
}

func TestCloseWhileWaiting(t *testing.T) {
	c := startChild(t, "exit 0")
	p, err := nginx.OpenID(c.ID)
	if err != nil {
		t.Fatal(err)
	}
	exited := p.Exited()
	nginxtest.Eventually(t, "a goroutine waits", func() bool { return waiting() > 0 })
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	nginxtest.Eventually(t, "the goroutine ends", func() bool { return waiting() == 0 })
	select {
	case <-exited:
		t.Error("a process that lives is said to have exited")
	default:
	}
	if !c.Alive() {
		t.Error("Close touched the process")
	}
	if err := p.Signal(unix.SIGKILL); err == nil {
		t.Error("a signal was sent through a closed handle")
	}
}

// waiting tells whether goroutines wait for a process. The name of the package
// is that of the caller when the compiler has inlined it.
func waiting() int {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return strings.Count(string(stacks), "(*Process).Exited.func")
}

func TestStarted(t *testing.T) {
	before := time.Now()
	c := startChild(t, "exit 0")
	after := time.Now()
	got, err := c.Started()
	if err != nil {
		t.Fatal(err)
	}
	if got.Before(before.Add(-time.Second)) || got.After(after.Add(time.Second)) {
		t.Errorf("got %v, started between %v and %v", got, before, after)
	}
}

func TestExitStatus(t *testing.T) {
	needKernel(t, 6, 15)
	for script, want := range map[string]nginx.Exit{
		"exit 0":        {Known: true},
		"exit 1":        {Known: true, Code: 1},
		"exit 2":        {Known: true, Code: 2},
		"exit 255":      {Known: true, Code: 255},
		"kill -SEGV $$": {Known: true, Signal: unix.SIGSEGV},
		"kill -KILL $$": {Known: true, Signal: unix.SIGKILL},
		"kill -40 $$":   {Known: true, Signal: unix.Signal(40)},
	} {
		c := startChild(t, "ulimit -c 0; "+script)
		if got := c.Exit(); got.Known {
			t.Errorf("%s: known while it lives: %v", script, got)
		}
		c.end(t)
		_ = c.cmd.Wait() // it fails for most of them
		if diff := cmp.Diff(want, c.Exit()); diff != "" {
			t.Errorf("%s: %s", script, diff)
		}
	}
}

// needKernel skips where the kernel cannot do it at all.
func needKernel(t *testing.T, major, minor int) {
	t.Helper()
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		t.Fatal(err)
	}
	release := unix.ByteSliceToString(uts.Release[:])
	parts := strings.SplitN(release, ".", 3)
	if len(parts) < 2 {
		t.Fatalf("kernel %q", release)
	}
	a, _ := strconv.Atoi(parts[0])
	b, _ := strconv.Atoi(parts[1])
	if a < major || a == major && b < minor {
		t.Skipf("this is Linux %s; it takes %d.%d or later", release, major, minor)
	}
}

func readDir(t *testing.T, path string) []os.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}
