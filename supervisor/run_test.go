package supervisor_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// TestBaselineIsLeftAlone attaches where a newer binary waits since before:
// whoever put it there did not ask for an upgrade.
func TestBaselineIsLeftAlone(t *testing.T) {
	n := start(t, traffic.Site{})
	before := processes(t, n.Master)
	nginxtest.Install(t, n.Binary, newer(t, n))
	store := newStore(t)
	const there = "it was there before we came"
	pending := func(st supervisor.Status) bool {
		return st.Pending && st.Reason == there && st.Phase == supervisor.Idle && st.Disk.SHA256 != st.Running.SHA256
	}
	dry := request(supervisor.WaitVerdict)
	dry.DryRun = true
	for range 2 { // the second run remembers
		r := run(t, n, store, quick())
		r.waitFor(t, "it is pending", pending)
		for range 10 { // each turn of the loop takes a poke or a request
			r.Poke()
			if out, err := r.Upgrade(t.Context(), dry); err != nil || out.Code != supervisor.ExitOK {
				t.Errorf("got %+v, %v", out, err)
			}
		}
		r.waitFor(t, "it is still pending", pending)
		r.stop()
	}
	if got := history(t, store); len(got) != 0 {
		t.Errorf("records: %+v", got)
	}
	if diff := cmp.Diff(before, processes(t, n.Master)); diff != "" {
		t.Errorf("the processes are not the same: %s", diff)
	}

	r := run(t, n, store, quick())
	r.waitFor(t, "it is pending", pending)
	data, version := n.Newer(t, '8')
	nginxtest.Install(t, n.Binary, data)
	r.Poke()
	r.waitFor(t, "a later change is taken", func(st supervisor.Status) bool {
		return st.Running.Version == version && st.Last != nil && st.Last.Result == supervisor.Upgraded && !st.Pending
	})
}

// TestBaselineOnRequest upgrades to what was there before when it is asked to.
func TestBaselineOnRequest(t *testing.T) {
	n := start(t, traffic.Site{})
	data, version := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)
	r := run(t, n, newStore(t), quick())
	out, err := r.Upgrade(t.Context(), request(supervisor.WaitDone))
	if err != nil || out.Code != supervisor.ExitOK || out.Result != supervisor.Upgraded || !strings.Contains(out.Text, version) {
		t.Errorf("got %+v, %v", out, err)
	}
	r.upToDate(t)
}

func TestAutomaticNo(t *testing.T) {
	n := start(t, traffic.Site{})
	before := processes(t, n.Master)
	c := quick()
	c.Automatic = false
	r := run(t, n, newStore(t), c)
	r.upToDate(t)
	nginxtest.Install(t, n.Binary, newer(t, n))
	r.Poke()
	r.waitFor(t, "it is pending", func(st supervisor.Status) bool { return st.Pending && st.Reason == "Automatic=no" })
	if diff := cmp.Diff(before, processes(t, n.Master)); diff != "" {
		t.Errorf("the processes are not the same: %s", diff)
	}
	// A new configuration is looked at by itself.
	c.Automatic = true
	r.Configure(c)
	r.waitFor(t, "it is upgraded", func(st supervisor.Status) bool { return st.Last != nil && st.Last.Result == supervisor.Upgraded })
}

func (r *running) dryRun(t *testing.T) {
	t.Helper()
	q := request(supervisor.WaitDone)
	q.DryRun = true
	if _, err := r.Upgrade(t.Context(), q); err != nil {
		t.Fatal(err)
	}
}

// TestRolledBackBuildIsNotRetried pokes, which is not asking.
func TestRolledBackBuildIsNotRetried(t *testing.T) {
	n := start(t, traffic.Site{})
	r := run(t, n, newStore(t), quick())
	r.upToDate(t)
	before := processes(t, n.Master)
	nginxtest.Install(t, n.Binary, badBuild(t, n, diesAtStart))
	r.Poke()
	const tried = "it was tried and rolled back"
	refused := func(st supervisor.Status) bool {
		return st.Phase == supervisor.Idle && st.Pending && strings.Contains(st.Reason, tried)
	}
	r.waitFor(t, "it is rolled back", refused)
	for range 10 {
		r.Poke()
		r.dryRun(t) // answered after the look that the poke brings
	}
	if got := history(t, r.store); len(got) != 1 || got[0].Origin != supervisor.OriginWatch {
		t.Errorf("records: %+v", got)
	}
	if out, err := r.Upgrade(t.Context(), request(supervisor.WaitDone)); err != nil || out.Code != supervisor.ExitRolledBack {
		t.Errorf("got %+v, %v", out, err)
	}
	if got := history(t, r.store); len(got) != 2 {
		t.Errorf("records: %+v", got)
	}
	r.stop()
	again := run(t, n, r.store, quick()) // the next run remembers
	again.waitFor(t, "it is refused", refused)
	if got := history(t, r.store); len(got) != 2 {
		t.Errorf("records: %+v", got)
	}
	if diff := cmp.Diff(before, processes(t, n.Master)); diff != "" {
		t.Errorf("the processes are not the same: %s", diff)
	}
}

func TestPackageTransactionDelaysTheCycle(t *testing.T) {
	n := start(t, traffic.Site{})
	path := emptyFile(t)
	r := run(t, n, newStore(t), quick(), func(o *supervisor.Options) {
		o.PackageLocks = []supervisor.PackageLock{{Path: path, Kind: unix.F_WRLCK}}
	})
	r.upToDate(t)
	release := lockFile(t, path, unix.F_WRLCK)
	nginxtest.Install(t, n.Binary, newer(t, n))
	r.Poke()
	r.waitFor(t, "it waits", func(st supervisor.Status) bool {
		return st.Pending && strings.Contains(st.Reason, "package transaction") && strings.Contains(st.Reason, path)
	})
	release()
	r.waitFor(t, "it is upgraded", func(st supervisor.Status) bool { return st.Last != nil && st.Last.Result == supervisor.Upgraded })
	if got := history(t, r.store); len(got) != 1 {
		t.Errorf("records: %+v", got)
	}
}

// TestRequestDoesNotWaitForTheTransaction is what a package's own hook needs:
// it runs inside.
func TestRequestDoesNotWaitForTheTransaction(t *testing.T) {
	n := start(t, traffic.Site{})
	path := emptyFile(t)
	release := lockFile(t, path, unix.F_WRLCK)
	defer release()
	r := run(t, n, newStore(t), quick(), func(o *supervisor.Options) {
		o.PackageLocks = []supervisor.PackageLock{{Path: path, Kind: unix.F_WRLCK}}
	})
	r.upToDate(t)
	nginxtest.Install(t, n.Binary, newer(t, n))
	if out, err := r.Upgrade(t.Context(), request(supervisor.WaitDone)); err != nil || out.Result != supervisor.Upgraded {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestRestartedMasterIsFollowed(t *testing.T) {
	n := start(t, traffic.Site{})
	attached := make(chan struct{}, 100)
	r := run(t, n, newStore(t), quick(), func(o *supervisor.Options) { o.OnAttach = func() { attached <- struct{}{} } })
	r.upToDate(t)
	first := n.Master
	signal(t, first, unix.SIGQUIT)
	gone(t, first)
	r.waitFor(t, "its end is noticed", func(st supervisor.Status) bool { return st.MainPID == 0 && strings.Contains(st.Reason, "not running") })
	if out := <-r.ask(t, request(supervisor.WaitDone)); out.Code != supervisor.ExitNotSwappable {
		t.Errorf("got %+v", out)
	}
	ifRunning := request(supervisor.WaitDone)
	ifRunning.IfRunning = true
	if out := <-r.ask(t, ifRunning); out.Code != supervisor.ExitOK {
		t.Errorf("got %+v", out)
	}
	n.Run(t)
	processes(t, n.Master)
	r.Poke()
	r.waitFor(t, "the new one is attached", func(st supervisor.Status) bool { return st.MainPID == n.Master && len(st.Masters) == 1 })
	if n.Master == first || len(attached) < 2 {
		t.Errorf("OnAttach was called %d times", len(attached))
	}
	data, version := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)
	r.Poke()
	r.waitFor(t, "it is upgraded", func(st supervisor.Status) bool { return st.Running.Version == version })
}

// TestRunGoesOnAfterAnInterruption ends a run in the middle of a cycle, in
// each phase that takes time; the next run finishes it.
func TestRunGoesOnAfterAnInterruption(t *testing.T) {
	for phase, change := range map[supervisor.Phase]func(*supervisor.Config){
		supervisor.Soaking:  func(c *supervisor.Config) { c.Upgrade.SoakSec = time.Hour },
		supervisor.Draining: func(c *supervisor.Config) { c.Upgrade.KeepOldSec = time.Hour },
	} {
		t.Run(string(phase), func(t *testing.T) {
			n := start(t, traffic.Site{Unix: unixSocket(t)})
			stop := lightTraffic(t, n)
			store := newStore(t)
			c := quick()
			change(&c)
			r := run(t, n, store, c)
			r.upToDate(t)
			data, version := n.Newer(t, '9')
			nginxtest.Install(t, n.Binary, data)
			answer := r.ask(t, request(supervisor.WaitDone))
			r.waitFor(t, "it is in the phase", func(st supervisor.Status) bool { return st.Phase == phase })
			r.stop()
			if out := <-answer; out.Code != supervisor.ExitFailure || !strings.Contains(out.Text, "interrupted") {
				t.Errorf("got %+v", out)
			}
			if masters := n.Masters(t); len(masters) != 2 {
				t.Errorf("the state that is left is not revertible: masters %v", masters)
			}
			next := run(t, n, store, quick())
			next.waitFor(t, "it is upgraded", func(st supervisor.Status) bool { return st.Running.Version == version && st.Phase == supervisor.Idle })
			next.upToDate(t)
			stop()
			records := history(t, store)
			if len(records) != 1 || records[0].Result != supervisor.Upgraded || records[0].Successor.Version != version {
				t.Errorf("records: %+v", records)
			}
			if masters := n.Masters(t); len(masters) != 1 || masters[0] != n.PID(t) {
				t.Errorf("masters %v, pid file %d", masters, n.PID(t))
			}
			for _, path := range []string{n.PIDPath() + ".oldbin", n.Unix + ".nginx-hotswap"} {
				if nginxtest.Exists(path) {
					t.Errorf("%s is left", path)
				}
			}
		})
	}
}
