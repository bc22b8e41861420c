//go:build box

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// cell makes one cell of the matrix.
func (a *admin) cell(p adminPhase, c adminCell) {
	a.begin(c.action)
	defer a.end(c.action)
	before := a.ready()
	known, condemned := len(a.records()), a.condemned()
	load := a.startLoad(append([]string{"kind=new,url=http://127.0.0.1:8080/,interval=10ms", "kind=keepalive,url=http://127.0.0.1:8080/,interval=10ms",
		"kind=unix,unix=/run/site.sock,url=http://localhost/,interval=10ms"}, p.load...)...)
	defer load.stdin.Close() // whatever happens
	defer a.startOver()
	a.landed = nil
	goOn := p.hold(a, before)
	in := a.reaches(p.phase)
	a.eventually("the successor is there", func() bool {
		in = a.status()
		return successorIn(in).PID != 0 || p.phase != supervisor.Starting && !strings.Contains(c.action.script, "$successor")
	})
	done := a.act(p, c.action, before, in, goOn)
	after := a.settles(before)
	a.ended(c, before, after, known)
	if p.phase != supervisor.Restoring && a.condemned() != condemned {
		a.t.Errorf("an administrator's doing has condemned a build: %s", a.condemned())
	}
	a.effect(p, c, done)
	if report := load.stop(); c.action.lossless {
		if err := report.Verdict(); err != nil {
			a.t.Errorf("%v: %+v", err, report.Failures)
		}
	}
	a.sh("systemctl reset-failed nginx") // what was restarted by systemd was counted
	a.consistent()
}

// begin gives the unit the drop-in of an action.
func (a *admin) begin(action adminAction) {
	a.t.Helper()
	if action.dropIn != "" {
		a.write("/etc/systemd/system/nginx.service.d/zz-action.conf", action.dropIn)
		a.sh("systemctl daemon-reload")
	}
}

func (a *admin) end(action adminAction) {
	a.t.Helper()
	if action.dropIn != "" {
		a.sh("rm /etc/systemd/system/nginx.service.d/zz-action.conf; systemctl daemon-reload")
	}
}

// ready waits until the machine is as it should be before a cell.
func (a *admin) ready() supervisor.Status {
	a.t.Helper()
	var s supervisor.Status
	a.eventually("it is attached", func() bool {
		s = a.status()
		return s.Phase == supervisor.Idle && s.MainPID != 0 && s.MainPID == a.mainPID() && s.Running.Version != "" &&
			len(s.Masters) == 1 && acceptingWorkers(s) == a.workers
	})
	a.consistent()
	return s
}

// condemned is what is known of bad builds.
func (a *admin) condemned() string {
	a.t.Helper()
	return a.sh(`perl -0777 -ne 'print $1 if /"quarantine": *(\[.*?\])/s' /var/lib/nginx-hotswap/instance/nginx.json`)
}

// deed is an action that was done.
type deed struct {
	mark   string // in the configuration that was on disk then
	failed bool
}

// withinHold is how long a phase stays held open while an action is under way:
// some of them wait for its end.
const withinHold = 500 * time.Millisecond

// act does what the cell is about. The phase goes on when that is done, or
// when it takes long.
func (a *admin) act(p adminPhase, action adminAction, before, in supervisor.Status, goOn func()) deed {
	a.t.Helper()
	var d deed
	if action.loads {
		d.mark = fmt.Sprintf("X-Mark: %d", time.Now().UnixNano())
		a.write("/etc/nginx/conf.d/mark.conf", "add_header "+strings.Replace(d.mark, ":", "", 1)+";\n")
	}
	if action.rotates {
		a.sh("mv /var/log/nginx/access.log /var/log/nginx/access.log.1")
	}
	type outcome struct {
		text string
		exit int
	}
	began, over := time.Now(), make(chan outcome, 1)
	m := a.machine
	go func() {
		stdout, stderr, exit, err := m.Try(m.t.Context(), fmt.Sprintf("old=%d successor=%d\n%s", before.MainPID, successorIn(in).PID, action.script))
		if err != nil {
			exit = -1
		}
		over <- outcome{stdout + stderr, exit}
	}()
	var o outcome
	select {
	case o = <-over:
		goOn()
	case <-time.After(withinHold):
		goOn()
		o = <-over
	}
	took := time.Since(began)
	a.t.Logf("%s in %s: exit status %d after %v %s", action.name, p.name, o.exit, took.Round(time.Millisecond), o.text)
	d.failed = o.exit != 0
	if took > 7*time.Second {
		a.t.Errorf("it took %v", took)
	}
	if action.ends {
		if left := a.sh("systemctl is-active nginx || true; grep -alsE '^nginx: (master|worker)' /proc/[0-9]*/cmdline || true; ls /run/nginx.pid.oldbin 2>/dev/null || true"); left != "inactive" {
			a.t.Errorf("after the stop there are %q", left)
		}
	}
	return d
}

// settles waits until there is one master, and nothing to do for us. A unit that
// has ended is started, as whoever ended it would.
func (a *admin) settles(before supervisor.Status) supervisor.Status {
	a.t.Helper()
	var s supervisor.Status
	a.eventuallyIn(45*time.Second, "the cycle ends", func() bool {
		if a.sh("systemctl is-active nginx || true") == "inactive" {
			a.sh("systemctl start nginx")
		}
		s = a.status()
		return s.Phase == supervisor.Idle && s.MainPID != 0 && s.MainPID == a.mainPID() && len(s.Masters) == 1 &&
			s.Running.Version != "" && acceptingWorkers(s) == a.workers && (!s.Pending || lastID(s) != lastID(before)) &&
			(lastID(s) != lastID(before) || s.Running.SHA256 == a.sha256(nginxBinary))
	})
	return s
}

// ended compares how the cycle ended with what was expected.
func (a *admin) ended(c adminCell, before, after supervisor.Status, known int) {
	a.t.Helper()
	got, result := "other", supervisor.Result("none")
	added := a.records()[known:]
	if len(added) > 0 {
		result = added[len(added)-1].Result
	}
	disk := a.sha256(nginxBinary)
	landed := disk
	if len(a.landed) > 0 {
		landed = a.landed[len(a.landed)-1].sha256
	}
	switch same, current := after.MainPID == before.MainPID, after.Running.SHA256 == disk; {
	case len(added) > 1:
	case c.want == "e" && len(added) == 1 && !same && current:
		got = "e"
	case len(added) == 0 && same:
		got = "."
	case len(added) == 0 && current:
		got = "n"
	case result == supervisor.Upgraded && !same && current && disk == landed && after.MainPID == added[0].Successor.PID:
		got = "u"
	case result == supervisor.RolledBack && same:
		got = "r"
	case result == supervisor.Overtaken && !same && current && after.MainPID != added[0].Successor.PID:
		got = "o"
	case result == supervisor.Lost && !same && current && after.MainPID == added[0].Successor.PID:
		got = "s"
	case result == supervisor.Lost && !same && current:
		got = "l"
	}
	if got != c.want {
		a.t.Errorf("want %s, got %s: %d records, the last is %s (%s)\nbefore %+v\nafter  %+v", c.want, got, len(added), result, reasonOf(added), before, after)
	}
}

func reasonOf(records []supervisor.Record) string {
	if len(records) == 0 {
		return ""
	}
	return records[len(records)-1].Reason
}

// effect checks that an action did what was meant by it. One that failed has
// said so.
func (a *admin) effect(p adminPhase, c adminCell, d deed) {
	a.t.Helper()
	// A master that was told to go takes no reload any more, and nobody else
	// knows of it where it was no job.
	swallowed := c.action.name == "-s reload" && p.phase == supervisor.Dismissing
	if d.mark != "" && !d.failed && !swallowed {
		a.eventually("the configuration is in effect", func() bool { return a.answers(d.mark) })
	}
	if c.action.rotates {
		a.eventually("the new log is written to", func() bool {
			return a.sh("find /var/log/nginx/access.log -size +0 2>/dev/null || true") != ""
		})
	}
	if d.failed && !slices.Contains([]string{"reload", "-s reload", "-s quit", "-s stop", "-s reopen", "rotate"}, c.action.name) {
		a.t.Errorf("%s failed", c.action.name)
	}
}

// startOver makes the next cell independent of one that failed.
func (a *admin) startOver() {
	a.t.Helper()
	if !a.t.Failed() {
		return
	}
	a.t.Logf("%s", a.sh("journalctl --sync; journalctl -u nginx-hotswap -u nginx --no-pager -o short-precise -n 60; nginx-hotswap status || true; tail -5 /var/log/nginx/error.log"))
	a.sh("rm -f /run/site.sock; systemctl reset-failed nginx")
	a.soaker.startOver()
}
