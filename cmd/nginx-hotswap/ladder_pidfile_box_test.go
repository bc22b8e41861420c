//go:build box

package main

import (
	"strconv"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/ladder"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// TestBoxLadderByPIDFile: the same without unit and daemon.
func TestBoxLadderByPIDFile(t *testing.T) {
	c := climb(t, "by pid file, without unit and daemon")
	c.sh(nginxBinary)
	low, high := c.lowest(), c.highest()
	c.rollsBackByPIDFile(low, high)
	for i := range len(c.rungs) - 1 {
		c.goesByPIDFile(c.rungs[i], c.rungs[i+1])
	}
	c.rollsBackByPIDFile(high, low)
	for i := len(c.rungs) - 1; i > 0; i-- {
		c.goesByPIDFile(c.rungs[i], c.rungs[i-1])
	}
	c.goesByPIDFile(low, high)
	c.goesByPIDFile(high, low)
	c.refusesNewOption(high, low)
}

// byPIDFile upgrades the master that the pid file names.
func (c *climber) byPIDFile(want int) string {
	c.t.Helper()
	return c.exits(want, "nginx-hotswap upgrade --wait=done --pid-file=/run/nginx.pid 2>&1")
}

func (c *climber) pidInFile() int {
	c.t.Helper()
	pid, err := strconv.Atoi(c.sh("cat /run/nginx.pid"))
	if err != nil {
		c.t.Fatal(err)
	}
	return pid
}

func (c *climber) goesByPIDFile(from, to ladder.Rung) {
	c.t.Helper()
	before := c.pidInFile()
	c.under(arrow(from, to), []string{from.Version, to.Version}, func() {
		c.place(to)
		c.byPIDFile(supervisor.ExitOK)
	})
	c.serves(arrow(from, to), before, false)
}

// serves checks that there is one master, the same or another one.
func (c *climber) serves(step string, before int, same bool) {
	c.t.Helper()
	after := c.pidInFile()
	c.hasMasters(1)
	masters := c.sh(`grep -alE '^nginx: master process' /proc/[0-9]*/cmdline; ls /run/nginx.pid.oldbin /run/*.nginx-hotswap 2>/dev/null || true`)
	if (after == before) != same || masters != "/proc/"+strconv.Itoa(after)+"/cmdline" {
		c.t.Errorf("%s: the pid file names %d, before %d; masters and leftovers: %s", step, after, before, masters)
	}
}

// rollsBackByPIDFile tries a build whose workers abort. The kept one takes its
// place.
func (c *climber) rollsBackByPIDFile(from, to ladder.Rung) {
	c.t.Helper()
	before := c.pidInFile()
	c.under(arrow(from, to)+", crashes", []string{from.Version}, func() {
		c.placeFile(crashing(to))
		if out := c.byPIDFile(supervisor.ExitRolledBack); !strings.Contains(out, "SIGABRT") {
			c.t.Errorf("it says %s", out)
		}
	})
	c.serves(arrow(from, to), before, true)
	if disk, good := c.sha256(nginxBinary), c.sha256(from.Path); disk != good {
		c.t.Errorf("on disk is %s, not %s", disk, good)
	}
}

// refusesNewOption: USR2 repeats the options that the first master was started
// with, which are those of a newer version here: -e is of 1.19.5.
func (c *climber) refusesNewOption(from, to ladder.Rung) {
	c.t.Helper()
	c.sh("nginx -s quit; while [ -e /run/nginx.pid ]; do sleep 0.05; done; rm -f /run/site.sock")
	c.place(from)
	c.sh(nginxBinary + " -e /var/log/nginx/error.log")
	before := c.pidInFile()
	c.under(arrow(from, to)+", unknown option", []string{from.Version}, func() {
		c.place(to)
		if out := c.byPIDFile(supervisor.ExitRejected); !strings.Contains(out, `invalid option: "e"`) {
			c.t.Errorf("it says %s", out)
		}
	})
	c.serves(arrow(from, to), before, true)
}
