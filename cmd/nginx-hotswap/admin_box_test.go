//go:build box

package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// What administrators do to nginx, in every phase of a cycle, and how it has to
// end:
//
//	.  no cycle, the same master goes on
//	n  no cycle, nginx was started anew
//	u  upgraded: the successor serves
//	r  rolled back: the old master serves
//	o  overtaken, and what is on disk was started
//	l  lost: the master was killed, and what is on disk was started
//	s  lost: the master was killed, and the successor serves
//	e  whichever came first, the cycle's end or nginx's: what is on disk was started
//
// A dash is a cell that is not tried:
//
//	-h  there is no successor
//	-b  what is on disk does not run, and is what would be started
//	-d  a configuration that differs from what was loaded keeps a build from being
//	    condemned, and so from this phase
//	-i  as in idle: until USR2 nothing was touched
//	-m  if the successor goes within milliseconds of the reload, $MAINPID is dead,
//	    and a reload that would make systemd follow again fails by that
const adminMatrix = `
                  idle verifying starting shifting soaking draining download retiring reviving dismissing restoring
reload            .    u         u        u        u       u        u        u        r        r          r
reload by HUP     .    u         u        u        u       u        u        u        r        -m         r
restart           n    n         o        o        o       o        o        o        o        o          -b
stop              n    n         o        o        o       o        o        o        o        o          -b
HUP to old        .    -i        u        r        r       r        r        u        r        r          r
HUP to successor  -h   -h        u        u        u       u        u        u        r        r          -h
-s reload         .    -i        u        u        u       u        u        u        r        r          -d
-s quit           n    -i        u        r        r       r        r        e        r        r          -b
-s stop           n    -i        u        r        r       r        r        e        r        r          -b
-s reopen         .    -i        u        u        u       u        u        u        r        r          r
rotate            .    -i        u        u        u       u        u        u        r        r          r
daemon-reload     .    u         u        u        u       u        u        u        r        r          r
daemon-reexec     .    -i        u        u        u       u        u        u        r        r          r
crash             n    -i        l        s        u       u        u        u        s        l          -b
restart of us     .    u         u        u        u       u        u        u        r        r          r
systemctl kill    n    -i        o        o        o       o        o        e        e        e          -b
`

// Each group of phases has a machine of its own.
func TestBoxAdminBegin(t *testing.T) { adminPhases(t, "idle", "verifying", "starting") }
func TestBoxAdminServe(t *testing.T) { adminPhases(t, "shifting", "soaking", "draining") }
func TestBoxAdminEnd(t *testing.T)   { adminPhases(t, "download", "retiring") }
func TestBoxAdminBack(t *testing.T)  { adminPhases(t, "reviving", "dismissing", "restoring") }

// admin is a machine in which the cells of a matrix follow each other.
type admin struct {
	*soaker
	workers int
}

func newAdmin(t *testing.T) *admin {
	t.Helper()
	m := boot(t, adminConfig)
	status := m.status()
	version := status.Running.Version
	a := &admin{&soaker{machine: m, version: version[:len(version)-1] + "9", builds: map[badnginx.Kind][]byte{}}, accepting(status)}
	for kind, after := range map[badnginx.Kind]time.Duration{badnginx.Good: 0, badnginx.SlowStart: 2 * time.Second, badnginx.CrashAtStart: 0} {
		const path = "/root/build"
		if kind == badnginx.Good {
			m.NewerNginx(t, path, a.version)
		} else {
			badnginx.InBox(t, m.Box, path, kind, '9', after)
		}
		build, err := os.ReadFile(m.Path(path))
		if err != nil {
			t.Fatal(err)
		}
		a.builds[kind] = build
	}
	m.write("/etc/systemd/system/nginx.service.d/restart.conf", "[Service]\nRestart=on-failure\n")
	m.sh("systemctl daemon-reload")
	return a
}

// in makes the machine one of a subtest, and gives it back at its end.
func (a *admin) in(t *testing.T) {
	outer := a.machine
	a.machine = outer.in(t)
	t.Cleanup(func() { a.machine = outer })
}

// adminPhases runs the columns of some phases.
func adminPhases(t *testing.T, phases ...string) {
	a := newAdmin(t)
	for _, name := range phases {
		phase := findPhase(t, name)
		t.Run(name, func(t *testing.T) {
			a.in(t)
			a.configure(adminConfig + phase.config)
			phase.setUp(a)
			for _, cell := range columnOf(t, name) {
				t.Run(cell.action.name, func(t *testing.T) {
					a.in(t)
					a.cell(phase, cell)
				})
			}
			phase.tearDown(a)
		})
	}
	a.laterUpgrade()
}

// adminCell is what is expected of an action in a phase.
type adminCell struct {
	action adminAction
	want   string
}

// columnOf reads what is expected in a phase.
func columnOf(t *testing.T, phase string) []adminCell {
	t.Helper()
	lines := strings.Split(strings.Trim(adminMatrix, "\n"), "\n")
	at := -1
	for i, name := range strings.Fields(lines[0]) {
		if name == phase {
			at = i
		}
	}
	var cells []adminCell
	for _, line := range lines[1:] {
		name, want := strings.TrimSpace(line[:18]), strings.Fields(line[18:])
		if at < 0 || at >= len(want) {
			t.Fatalf("no cell of %q for phase %q", name, phase)
		}
		if strings.HasPrefix(want[at], "-") {
			continue
		}
		cells = append(cells, adminCell{findAction(t, name), want[at]})
	}
	return cells
}

// laterUpgrade: after all that, an upgrade goes as ever.
func (a *admin) laterUpgrade() {
	a.t.Helper()
	a.configure(adminConfig + quickCycle)
	before := a.ready()
	load := a.startLoad()
	a.land(badnginx.Good)
	after := a.cycleAfter(lastID(before))
	load.lossless()
	if after.Last.Result != supervisor.Upgraded || after.Running.SHA256 != a.landed[len(a.landed)-1].sha256 {
		a.t.Errorf("a later upgrade: %+v", after)
	}
	a.consistent()
}

// adminConfig is common to all phases; each adds keys of [Upgrade].
var adminConfig = fmt.Sprintf("[Supervisor]\nSettleSec=100ms\n[Upgrade]\nDismissTimeoutSec=%s\n", "10s")
