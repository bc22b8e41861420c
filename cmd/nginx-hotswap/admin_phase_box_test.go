//go:build box

package main

import (
	"fmt"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// adminPhase is a phase that an action falls into, and what makes it last.
type adminPhase struct {
	name   string
	phase  supervisor.Phase
	config string        // keys of [Upgrade]
	kind   badnginx.Kind // what lands, where hold does not do that; "" for nothing
	load   []string      // besides the requests that come all the time
	// hold puts a build in place, makes the phase last and returns what lets it
	// go on.
	hold            func(a *admin, before supervisor.Status) func()
	setUp, tearDown func(a *admin)
}

const quickCycle = "SoakSec=100ms\nKeepOldSec=0\n"

var adminPhaseList = []adminPhase{
	{name: "idle", phase: supervisor.Idle, config: quickCycle},
	// A large configuration takes a second to test, and to load.
	{name: "verifying", phase: supervisor.Verifying, config: quickCycle, kind: badnginx.Good, setUp: largeConfiguration, tearDown: smallConfiguration},
	{name: "starting", phase: supervisor.Starting, config: quickCycle, kind: badnginx.SlowStart},
	{name: "shifting", phase: supervisor.Shifting, config: quickCycle, hold: stopWorker},
	{name: "soaking", phase: supervisor.Soaking, config: "SoakSec=3s\nKeepOldSec=0\n", kind: badnginx.Good},
	{name: "draining", phase: supervisor.Draining, config: "SoakSec=100ms\nKeepOldSec=3s\n", kind: badnginx.Good},
	{name: "download", phase: supervisor.Draining, config: quickCycle, kind: badnginx.Good,
		load: []string{"kind=download,url=http://127.0.0.1:8080/big,clients=2,rate=600KiB,size=2097152"}},
	{name: "retiring", phase: supervisor.Retiring, config: quickCycle + "Confirm=manual\n", hold: stopRetiring},
	{name: "reviving", phase: supervisor.Reviving, config: "SoakSec=1min\n", hold: stopReviving},
	{name: "dismissing", phase: supervisor.Dismissing, config: "SoakSec=1min\n", hold: stopDismissing},
	{name: "restoring", phase: supervisor.Restoring, config: quickCycle, hold: lockWhileRestoring},
}

func findPhase(t *testing.T, name string) adminPhase {
	t.Helper()
	for _, p := range adminPhaseList {
		if p.name != name {
			continue
		}
		nothing := func(*admin) {}
		if p.setUp == nil {
			p.setUp, p.tearDown = nothing, nothing
		}
		if p.hold == nil {
			p.hold = func(a *admin, _ supervisor.Status) func() {
				if p.kind != "" {
					a.land(p.kind)
				}
				return func() {}
			}
		}
		return p
	}
	t.Fatalf("there is no phase %q", name)
	return adminPhase{}
}

func largeConfiguration(a *admin) {
	a.sh(`{ echo 'geo $large {'; seq 1 120000 | awk '{printf "10.%d.%d.%d x%d;\n", $1/65536, $1/256%256, $1%256, $1}'; echo '}'; } >/etc/nginx/conf.d/large.conf
		systemctl reload nginx`)
}

func smallConfiguration(a *admin) { a.sh("rm /etc/nginx/conf.d/large.conf; systemctl reload nginx") }

// stopWorker: a worker that does not hear WINCH.
func stopWorker(a *admin, before supervisor.Status) func() {
	worker := []int{before.Masters[0].Workers[0].PID}
	a.signal("STOP", worker)
	a.land(badnginx.Good)
	return func() { a.signal("CONT", worker) }
}

// stopRetiring: a master that does not hear QUIT.
func stopRetiring(a *admin, before supervisor.Status) func() {
	a.land(badnginx.Good)
	a.reaches(supervisor.Draining)
	a.signal("STOP", []int{before.MainPID})
	a.exits(supervisor.ExitOK, "nginx-hotswap confirm")
	a.eventually("QUIT is pending", func() bool {
		return a.sh(fmt.Sprintf("awk '/^ShdPnd/ { print substr($2, 16) }' /proc/%d/status", before.MainPID)) == "4"
	})
	return func() { a.signal("CONT", []int{before.MainPID}) }
}

// stopReviving: a master that does not hear HUP.
func stopReviving(a *admin, before supervisor.Status) func() {
	a.land(badnginx.Good)
	a.reaches(supervisor.Soaking)
	a.signal("STOP", []int{before.MainPID})
	a.sh("nginx-hotswap rollback >/dev/null 2>&1 &")
	return func() { a.signal("CONT", []int{before.MainPID}) }
}

// stopDismissing: a successor with a worker that does not hear QUIT.
func stopDismissing(a *admin, _ supervisor.Status) func() {
	a.land(badnginx.Good)
	worker := []int{successorIn(a.reaches(supervisor.Soaking)).Workers[0].PID}
	a.signal("STOP", worker)
	a.sh("nginx-hotswap rollback >/dev/null 2>&1 &")
	return func() { a.signal("CONT", worker) }
}

// lockWhileRestoring: a package transaction. The file in its place is not put
// back before its end.
func lockWhileRestoring(a *admin, _ supervisor.Status) func() {
	a.lockPackages()
	a.land(badnginx.CrashAtStart)
	a.sh("nginx-hotswap upgrade --force >/dev/null 2>&1 &")
	return func() { a.sh("systemctl stop lock") }
}
