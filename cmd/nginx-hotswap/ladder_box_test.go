//go:build box

package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/ladder"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// climber is a machine in which the nginx of every release runs, with all that
// happens to it in the table.
type climber struct {
	*machine
	rungs []ladder.Rung
	title string
	rows  []ladder.Row
}

// tables keeps those of tests that run side by side apart.
var tables sync.Mutex

// climb boots a machine whose nginx is of the lowest rung, under a configuration
// that all of them take.
func climb(t *testing.T, title string) *climber {
	t.Helper()
	c := &climber{machine: boot(t, quickConfig), title: title}
	c.restartable()
	c.sh("systemctl stop nginx-hotswap nginx; rm -rf /var/lib/nginx-hotswap /run/nginx-hotswap /run/site.sock /etc/nginx/modules-enabled/*")
	for _, release := range ladder.Releases {
		c.rungs = append(c.rungs, ladder.InBox(t, c.Box, release))
	}
	oldest, err := box.Root(t.Context(), ladder.Releases[0], os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CopyIn(filepath.Join(oldest, "etc/nginx/nginx.conf"), "/etc/nginx/nginx.conf"); err != nil {
		t.Fatal(err)
	}
	for _, r := range c.rungs {
		c.place(r)
		badnginx.InBox(t, c.Box, crashing(r), badnginx.CrashAtStart, '8')
		c.NewerNginx(t, another(r), anotherVersion(r))
	}
	c.place(c.lowest())
	t.Cleanup(func() {
		tables.Lock()
		defer tables.Unlock()
		fmt.Printf("\n%s\n", c.title)
		ladder.Table(os.Stdout, c.rows)
	})
	return c
}

func (c *climber) lowest() ladder.Rung  { return c.rungs[0] }
func (c *climber) highest() ladder.Rung { return c.rungs[len(c.rungs)-1] }

// crashing is the build of a rung whose workers abort at their start.
func crashing(r ladder.Rung) string { return r.Path + ".crashing" }

// another is a build of a rung with another version in it.
func another(r ladder.Rung) string { return r.Path + ".another" }

func anotherVersion(r ladder.Rung) string { return r.Version[:len(r.Version)-1] + "9" }

// place puts the nginx of a rung where nginx is installed.
func (c *climber) place(r ladder.Rung) { c.placeFile(r.Path) }

func (c *climber) placeFile(from string) {
	c.t.Helper()
	c.sh(fmt.Sprintf("cp %s %s.new; mv %[2]s.new %[2]s", from, nginxBinary))
}

// under does a step under traffic, which must be answered by all of the given
// versions, lose nothing, and still find the unix socket afterwards.
func (c *climber) under(step string, versions []string, do func()) {
	c.t.Helper()
	load := c.startLoad()
	do()
	report := load.lossless()
	c.rows = append(c.rows, ladder.Row{Step: step, Report: report})
	for _, v := range versions {
		if report.Total.Servers["nginx/"+v] == 0 {
			c.t.Errorf("%s: nobody was answered by %s: %v", step, v, report.Total.Servers)
		}
	}
	c.sh("traffic run --duration 200ms --target kind=unix,unix=/run/site.sock,url=http://localhost/")
}

// arrow names a step.
func arrow(from, to ladder.Rung) string { return from.Short() + " -> " + to.Short() }

// TestBoxLadder: the unit's nginx is upgraded release by release, and back, by
// whatever lands where it is installed.
func TestBoxLadder(t *testing.T) {
	c := climb(t, "by unit")
	c.sh("systemctl start nginx nginx-hotswap")
	c.eventually("the daemon has attached", func() bool { return c.status().MainPID == c.mainPID() })
	low, high := c.lowest(), c.highest()
	if got := c.status().Running.Version; got != low.Version {
		t.Fatalf("%s runs, not %s", got, low.Version)
	}
	c.rollsBack(low, high)
	for i := range len(c.rungs) - 1 {
		c.goes(arrow(c.rungs[i], c.rungs[i+1]), c.rungs[i+1], func() { c.place(c.rungs[i+1]) })
	}
	c.replacesLibrary(high)
	c.refusesNewDirective(high, c.rungs[len(c.rungs)-2])
	c.rollsBack(high, low)
	for i := len(c.rungs) - 1; i > 0; i-- {
		c.goes(arrow(c.rungs[i], c.rungs[i-1]), c.rungs[i-1], func() { c.place(c.rungs[i-1]) })
	}
	c.goes(arrow(low, high), high, func() { c.place(high) })
	c.goes(arrow(high, low)+", rollback --to", low, func() {
		c.exits(supervisor.ExitOK, "nginx-hotswap rollback --to="+low.Version)
	})
}

// goes waits for the cycle that leads to a rung.
func (c *climber) goes(step string, to ladder.Rung, begin func()) {
	c.t.Helper()
	before := c.status()
	c.under(step, []string{before.Running.Version, to.Version}, func() {
		begin()
		after := c.cycleAfter(lastID(before))
		if after.Last.Result != supervisor.Upgraded || after.Running.Version != to.Version || after.Pending {
			c.t.Fatalf("%s: %+v, %+v", step, after, after.Last)
		}
		if after.MainPID == before.MainPID || after.MainPID != c.mainPID() {
			c.t.Errorf("%s: MainPID of systemd %d, ours %d, before %d", step, c.mainPID(), after.MainPID, before.MainPID)
		}
		if disk := c.sha256(nginxBinary); disk != after.Running.SHA256 {
			c.t.Errorf("%s: on disk is %s, %s runs", step, disk, after.Running.SHA256)
		}
		if own := path.Dir(to.Path) + "/lib/libc.so.6"; !strings.Contains(c.sh(fmt.Sprintf("cat /proc/%d/maps", after.MainPID)), own) {
			c.t.Errorf("%s: %s is not mapped", step, own)
		}
		c.consistent()
	})
}

// rollsBack tries two builds of a rung that do not stay: one that crashes, and
// one that is taken back while it soaks, when all requests are its own already.
func (c *climber) rollsBack(from, to ladder.Rung) {
	c.t.Helper()
	before := c.status()
	c.under(arrow(from, to)+", crashes", []string{from.Version}, func() {
		c.placeFile(crashing(to))
		after := c.cycleAfter(lastID(before))
		c.oldServes(before, after, "SIGABRT")
		c.standsIn(after, c.sha256(crashing(to)))
	})
	c.configure(strings.Replace(quickConfig, "SoakSec=500ms", "SoakSec=1min", 1))
	before = c.status()
	c.under(arrow(from, to)+", rollback while soaking", []string{from.Version, anotherVersion(to)}, func() {
		c.placeFile(another(to))
		c.reaches(supervisor.Soaking)
		c.exits(supervisor.ExitOK, "nginx-hotswap rollback")
		c.oldServes(before, c.cycleAfter(lastID(before)), "rollback was asked for")
	})
	c.place(from)
	c.configure(quickConfig)
}

// refusesNewDirective: the way down is barred by a directive that only the
// running version knows.
func (c *climber) refusesNewDirective(from, to ladder.Rung) {
	c.t.Helper()
	const file = "/etc/nginx/conf.d/new.conf"
	c.write(file, "keepalive_min_timeout 1s;\n") // 1.27.4
	c.reloads()
	before := c.status()
	c.under(arrow(from, to)+", unknown directive", []string{from.Version}, func() {
		c.place(to)
		after := c.cycleAfter(lastID(before))
		if after.Last.Result != supervisor.Rejected || after.MainPID != before.MainPID {
			c.t.Errorf("%+v, %+v", after, after.Last)
		}
		c.eventually("it is pending", func() bool {
			s := c.status()
			return s.Pending && strings.Contains(s.Reason, `unknown directive "keepalive_min_timeout" in `+file+":1")
		})
		c.consistent()
	})
	c.place(from) // first: with another configuration it would be tried again
	c.eventually("nothing is pending", func() bool { return !c.status().Pending })
	c.sh("rm " + file)
	c.reloads()
}

// reloads waits until none of the workers is left that were there before.
func (c *climber) reloads() {
	c.t.Helper()
	workers := func() (pids []int) {
		for _, w := range c.status().Masters[0].Workers {
			pids = append(pids, w.PID)
		}
		return pids
	}
	before := workers()
	c.sh("systemctl reload nginx")
	c.eventually("the workers are new", func() bool {
		now := workers()
		return len(now) == len(before) && !slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(before, pid) })
	})
}

// replacesLibrary: the running version is upgraded to itself when a library of
// its own is replaced, which no other rung has mapped.
func (c *climber) replacesLibrary(r ladder.Rung) {
	c.t.Helper()
	before := c.status()
	c.under(r.Short()+", another libcrypto", []string{r.Version}, func() {
		c.sh("cd " + path.Dir(r.Path) + "/lib; cp -L libcrypto.so.3 new; echo >>new; mv new libcrypto.so.3")
		after := c.cycleAfter(lastID(before))
		if after.Last.Result != supervisor.Upgraded || after.MainPID == before.MainPID || after.Pending || after.Running.SHA256 != before.Running.SHA256 {
			c.t.Errorf("%+v, %+v", after, after.Last)
		}
		c.consistent()
	})
}
