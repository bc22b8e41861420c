package traffic

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/freeport"
)

// TestReload runs every kind of client against a real nginx, with an ordinary
// reload in the middle, and loses nothing.
func TestReload(t *testing.T) {
	site, master := startSite(t, 2)
	load := startAll(t, site)
	time.Sleep(time.Second)
	if err := master.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	r := load.Stop()

	var table strings.Builder
	r.Table(&table)
	t.Logf("\n%s", table.String())
	if err := r.Verdict(); err != nil {
		t.Error(err)
	}
	for _, target := range site.Targets() {
		if s := r.Kinds[target.Kind]; s.OK == 0 || s.OK != s.Requests {
			t.Errorf("%s: %d of %d answered", target.Kind, s.OK, s.Requests)
		}
	}
	if stale := r.Kinds[KeepAlive].StaleRetries; stale > 8*2 {
		t.Errorf("%d stale retries by 8 clients in one reload", stale)
	}
}

// TestCrash kills the only worker: every download and stream is cut and seen to be,
// so none of them was in the kernel's buffers alone.
func TestCrash(t *testing.T) {
	site, master := startSite(t, 1)
	worker := onlyChild(t, master.Pid)
	load := startAll(t, site)
	if err := worker.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		r := load.Snapshot()
		if r.Kinds[Download].ByKind[DownloadCut] != 4 || r.Kinds[Stream].ByKind[StreamCut] != 8 {
			return fmt.Errorf("failures: %v", r.Total.ByKind)
		}
		return nil
	})
}

// startSite starts nginx with something for every kind of client.
func startSite(t *testing.T, workers int) (Site, *os.Process) {
	t.Helper()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		unable(t, "nginx is not installed")
	}
	u, err := EchoUpstream("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	dir := t.TempDir()
	site := Site{
		Dir: dir, Listen: freeport.Address(t), Unix: filepath.Join(dir, "site.sock"),
		Upstream: u.Addr(), Workers: workers, BigSize: 2 << 20,
	}
	if os.Geteuid() == 0 {
		site.User = "root" // others cannot enter the test's directory
	}
	if err := site.Write(); err != nil {
		t.Fatal(err)
	}
	return site, startNginx(t, nginx, site)
}

// startAll starts all clients of site and waits until the downloads and streams
// are under way.
func startAll(t *testing.T, site Site) *Load {
	t.Helper()
	load, err := Start(Config{Targets: site.Targets()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { load.Stop() })
	eventually(t, func() error {
		if n := load.Snapshot().Total.Running; n != 12 {
			return fmt.Errorf("%d downloads and streams run", n)
		}
		return nil
	})
	return load
}

// onlyChild returns the one worker of a master.
func onlyChild(t *testing.T, master int) *os.Process {
	t.Helper()
	var pid int
	eventually(t, func() (err error) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", master, master))
		if err == nil {
			pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
		}
		return err
	})
	worker, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	return worker
}

// startNginx starts a master in the background and ends it with the test.
func startNginx(t *testing.T, nginx string, site Site) *os.Process {
	t.Helper()
	if out, err := exec.Command(nginx, site.Args()...).CombinedOutput(); err != nil {
		t.Fatalf("cannot start nginx: %v\n%s", err, out)
	}
	text, err := os.ReadFile(site.PIDPath())
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	master, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		master.Signal(syscall.SIGTERM)
		eventually(t, func() error {
			if _, err := os.Stat(site.PIDPath()); !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("nginx %d is still there: %v", pid, err)
			}
			return nil
		})
	})
	return master
}
