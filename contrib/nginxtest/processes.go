package nginxtest

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// Masters returns the masters that run from the site's directory.
func (n *Nginx) Masters(tb testing.TB) []int {
	tb.Helper()
	var masters []int
	for _, pid := range n.processes() {
		if nginx.IsMaster(pid) {
			masters = append(masters, pid)
		}
	}
	return masters
}

// processes goes by the executable, which is below a directory of our own.
func (n *Nginx) processes() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		exe, err := os.Readlink("/proc/" + e.Name() + "/exe")
		if err == nil && strings.HasPrefix(exe, n.Dir+"/") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// killAll repeats until nothing is left: a master that is about to be killed
// may just have forked.
func (n *Nginx) killAll(tb testing.TB) {
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		pids := n.processes()
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			if p, err := nginx.Open(pid); err == nil {
				_ = p.Signal(unix.SIGKILL)
				p.Close()
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	tb.Errorf("processes of %s are left: %v", n.Dir, n.processes())
}
