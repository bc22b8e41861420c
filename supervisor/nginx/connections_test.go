package nginx_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

func TestConnections(t *testing.T) {
	needTracing(t)
	for _, count := range []int{1, 2, 4} {
		t.Run(fmt.Sprint(count, " workers"), func(t *testing.T) {
			n := nginxtest.Prepare(t, traffic.Site{Workers: count})
			n.Unix = filepath.Join(n.Dir, "sock") // a second listener
			if err := n.Write(); err != nil {
				t.Fatal(err)
			}
			n.Run(t)
			master := open(t, n.Master)
			workers(t, master.ID, nginx.RoleWorker, count)
			listeners, err := master.Listeners()
			if err != nil {
				t.Fatal(err)
			}
			expect := func(want int) {
				t.Helper()
				expectConnections(t, master.ID, len(listeners), want)
			}
			expect(0)
			var conns []net.Conn
			for i := range 37 {
				network, address := "tcp", n.Listen
				if i%3 == 0 {
					network, address = "unix", n.Unix
				}
				conns = append(conns, keepAlive(t, network, address))
			}
			expect(37)
			// After a reload the workers and their descriptors have other
			// numbers, and keep-alive connections are closed.
			signal(t, master, unix.SIGHUP)
			expect(0)
			// These have not sent a byte: a worker that drains keeps them.
			for i := range conns {
				conns[i] = dial(t, "tcp", n.Listen)
			}
			expect(37)
			signal(t, master, unix.SIGWINCH)
			nginxtest.Eventually(t, "no worker accepts", func() bool {
				return len(readTree(t, master.ID).With(nginx.RoleWorker, nginx.RoleStarting)) == 0
			})
			expect(37)
			for _, c := range conns[:30] {
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
			}
			expect(7)
		})
	}
}

// expectConnections waits until the sum over all workers is as expected.
func expectConnections(t *testing.T, master nginx.ID, listeners, want int) {
	t.Helper()
	var seen string
	defer func() {
		if t.Failed() {
			t.Logf("last seen: %s", seen)
		}
	}()
	nginxtest.Eventually(t, fmt.Sprint(want, " connections"), func() bool {
		fds, _ := nginx.CountFDs(master.PID)
		tree := readTree(t, master)
		sum := 0
		seen = fmt.Sprintf("master with %d descriptors", fds)
		estimate := &nginx.Estimate{MasterFDs: fds, Processes: len(tree.Children), Listeners: listeners}
		for _, w := range tree.Children {
			c := estimate.Connections(w.PID, w.Role == nginx.RoleDraining)
			own, _ := nginx.CountFDs(w.PID)
			seen += fmt.Sprintf(", %s with %d: %d", w.Role, own, c)
			sum += c
		}
		return sum == want
	})
}

// keepAlive has had one answer and stays open.
func keepAlive(t *testing.T, network, address string) net.Conn {
	t.Helper()
	conn := dial(t, network, address)
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK || resp.Close {
		t.Fatal(resp, err)
	}
	return conn
}

func TestCountFDs(t *testing.T) {
	before, _ := nginx.CountFDs(os.Getpid())
	for range 20 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	if after, _ := nginx.CountFDs(os.Getpid()); after-before != 20 {
		t.Errorf("%d before, %d after", before, after)
	}
	if n, _ := nginx.CountFDs(1 << 22); n != 0 {
		t.Errorf("no process has %d", n)
	}
}
