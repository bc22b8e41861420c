package nginx_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

func TestReadTree(t *testing.T) {
	n := nginxtest.Start(t, traffic.Site{Workers: 3})
	master := open(t, n.Master)
	found := workers(t, master.ID, nginx.RoleWorker, 3)
	tree := readTree(t, master.ID)
	if tree.Master != master.ID {
		t.Errorf("the master is %+v", tree.Master)
	}
	for _, w := range found {
		if stat, err := nginx.ReadStat(w.PID); err != nil || stat.Start != w.Start || w.Executed || nginx.IsMaster(w.PID) {
			t.Errorf("worker %+v: %+v, %v", w, stat, err)
		}
	}
	if !slices.IsSortedFunc(tree.Children, func(a, b nginx.Child) int { return int(a.Start) - int(b.Start) }) {
		t.Errorf("not by start time: %+v", tree.Children)
	}
	if !nginx.IsMaster(n.Master) || nginx.IsMaster(os.Getpid()) {
		t.Error("the wrong process is the master")
	}
	stat, err := nginx.ReadStat(n.Master)
	if err != nil || !stat.Daemonized() {
		t.Errorf("the master: %+v, %v", stat, err)
	}
	checkScan(t, tree)

	signal(t, master, unix.SIGKILL)
	<-master.Exited()
	if tree, err := nginx.ReadTree(master.ID); !errors.Is(err, nginx.ErrGone) && (err != nil || len(tree.Children) > 0) {
		t.Errorf("a dead master: %+v, %v", tree, err) // it may not be reaped yet
	}
}

// checkScan compares with what a kernel without CONFIG_PROC_CHILDREN allows.
func checkScan(t *testing.T, tree nginx.Tree) {
	t.Helper()
	scanned, err := nginx.ScanChildren(tree.Master.PID)
	if err != nil {
		t.Fatal(err)
	}
	var listed []int
	for _, c := range tree.Children {
		listed = append(listed, c.PID)
	}
	slices.Sort(scanned)
	slices.Sort(listed)
	if diff := cmp.Diff(listed, scanned); diff != "" {
		t.Error(diff)
	}
}

// A successor is never taken for a worker of the old master, at no moment of
// its start.
func TestReadTreeOfUpgrade(t *testing.T) {
	n := nginxtest.Start(t, traffic.Site{Workers: 2})
	old := open(t, n.Master)
	before := workers(t, old.ID, nginx.RoleWorker, 2)
	signal(t, old, unix.SIGUSR2)
	var successor nginx.Child
	nginxtest.Eventually(t, "the successor is past its start", func() bool {
		tree := readTree(t, old.ID)
		if diff := cmp.Diff(before, tree.With(nginx.RoleWorker)); diff != "" {
			t.Errorf("the old workers changed: %s", diff)
		}
		if masters := tree.With(nginx.RoleMaster); len(masters) > 0 {
			t.Errorf("a forked process is a master: %+v", masters)
		}
		if found := tree.Successors(); len(found) > 0 {
			successor = found[0]
		}
		return successor.Role == nginx.RoleMaster || t.Failed()
	})
	if !successor.Executed || !nginx.IsMaster(successor.PID) {
		t.Errorf("the successor is %+v", successor)
	}
	stat, err := nginx.ReadStat(successor.PID)
	if err != nil || stat.PPID != old.PID || !stat.Executed() || !stat.Daemonized() {
		t.Errorf("the successor: %+v, %v", stat, err)
	}
	// Its workers were forked by a process that was exec'ed.
	for _, w := range workers(t, successor.ID, nginx.RoleWorker, 2) {
		if w.Executed {
			t.Errorf("worker %+v", w)
		}
	}
	nginxtest.Eventually(t, "both masters wait", func() bool {
		for _, pid := range []int{old.PID, successor.PID} {
			if s, err := nginx.ReadSignals(pid); err != nil || !s.Waiting() {
				return false
			}
		}
		return true
	})
	checkScan(t, readTree(t, old.ID))
}

func TestReadTreeWhileDraining(t *testing.T) {
	n := nginxtest.Start(t, traffic.Site{Workers: 2, BigSize: 64 << 20})
	master := open(t, n.Master)
	workers(t, master.ID, nginx.RoleWorker, 2)
	download := stalledDownload(t, n.Listen)
	signal(t, master, unix.SIGWINCH)
	left := workers(t, master.ID, nginx.RoleDraining, 1)
	tree := readTree(t, master.ID)
	if got := tree.With(nginx.RoleWorker, nginx.RoleStarting); len(got) > 0 {
		t.Errorf("these accept: %+v", got)
	}
	worker := open(t, left[0].PID)
	if err := download.Close(); err != nil {
		t.Fatal(err)
	}
	<-worker.Exited()
	workers(t, master.ID, nginx.RoleDraining, 0)
}

// A title that was cut off still tells a worker that drains from one that
// accepts.
func TestReadTreeWithoutEnvironment(t *testing.T) {
	n := nginxtest.Prepare(t, traffic.Site{Workers: 1, BigSize: 64 << 20})
	copyBinary(t, n, "n")
	master := launch(t, n, []string{}, "./n", "-p", ".", "-c", "nginx.conf", "-q")
	workers(t, master.ID, nginx.RoleWorker, 1)
	stalledDownload(t, n.Listen)
	signal(t, master, unix.SIGWINCH)
	workers(t, master.ID, nginx.RoleDraining, 1)
}

// stalledDownload has the head of an answer and does not read on.
func stalledDownload(t *testing.T, address string) net.Conn {
	t.Helper()
	conn := dial(t, "tcp", address)
	if _, err := io.WriteString(conn, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 512), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	return conn
}

func dial(t *testing.T, network, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
