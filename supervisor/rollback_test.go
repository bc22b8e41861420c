package supervisor_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// TestRollback tries builds that pass every check before USR2. Those that never
// serve cost not a single request; those that serve for a while cost what their
// crashed workers had in hand.
func TestRollback(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind    badnginx.Kind
		after   time.Duration
		change  func(*supervisor.UpgradeConfig)
		long    bool             // downloads and streams too
		crashes bool             // with requests in hand
		says    string           // a regular expression
		never   supervisor.Phase // is not reached
	}{
		{kind: badnginx.CrashAtStart, long: true, says: "SIGABRT", never: supervisor.Shifting},
		{kind: badnginx.ExitAtStart, long: true, says: "did not come up|exited with code 1", never: supervisor.Shifting},
		{kind: badnginx.HangAtStart, long: true, says: "it took too long", never: supervisor.Shifting,
			change: func(c *supervisor.UpgradeConfig) { c.StartTimeoutSec = time.Second }},
		{kind: badnginx.CrashAtFirstRequest, crashes: true, says: "SIGABRT", never: supervisor.Draining},
		{kind: badnginx.CrashAfter, after: 2 * time.Second, crashes: true, says: "SIGABRT", never: supervisor.Draining,
			change: func(c *supervisor.UpgradeConfig) { c.SoakSec = time.Minute }},
		{kind: badnginx.ExitMasterAfter, after: 2 * time.Second, says: "exited with code 1", never: supervisor.Draining,
			change: func(c *supervisor.UpgradeConfig) { c.SoakSec = time.Minute }},
	} {
		t.Run(string(tt.kind), func(t *testing.T) {
			t.Parallel()
			n := nginxtest.Start(t, site(t))
			c := quick()
			if tt.change != nil {
				tt.change(&c.Upgrade)
			}
			store := newStore(t)
			s := supervisor.New(instanceOf(n, c), options(t, store, c))
			processes(t, n.Master) // it is up
			targets := n.Targets()
			if !tt.long {
				targets = shortTargets(n)
			}
			load := startLoad(t, targets)
			nginxtest.Install(t, n.Binary, makeBad(t, n, tt.kind, tt.after))
			out := s.Once(t.Context(), request(supervisor.WaitDone))
			if out.Code != supervisor.ExitRolledBack || out.Result != supervisor.RolledBack || !regexp.MustCompile(tt.says).MatchString(out.Text) {
				t.Errorf("got %+v, which should say %q", out, tt.says)
			}
			records := history(t, store)
			if len(records) != 1 || reached(records[0], tt.never) {
				t.Errorf("it got as far as %s: %+v", tt.never, records)
			}
			requireOldServes(t, n)
			report := load.Stop()
			if tt.crashes {
				requireOnlyCrashed(t, n, report, targets)
			} else if err := report.Verdict(); err != nil {
				t.Errorf("%v: %v", err, report.Failures)
			}
		})
	}
}

// A good build that takes its time is not a bad one.
func TestSlowStartIsUpgraded(t *testing.T) {
	t.Parallel()
	n := nginxtest.Start(t, site(t))
	s := newSupervisor(t, n, quick())
	processes(t, n.Master) // it is up
	load := startLoad(t, shortTargets(n))
	nginxtest.Install(t, n.Binary, makeBad(t, n, badnginx.SlowStart, 3*time.Second))
	out := s.Once(t.Context(), request(supervisor.WaitDone))
	if out.Code != supervisor.ExitOK || out.Result != supervisor.Upgraded {
		t.Errorf("got %+v", out)
	}
	if err := load.Stop().Verdict(); err != nil {
		t.Error(err)
	}
	if masters := n.Masters(t); len(masters) != 1 || masters[0] == n.Master || masters[0] != n.PID(t) {
		t.Errorf("masters %v, pid file %d, old master %d", masters, n.PID(t), n.Master)
	}
}

// The workers of a killed master go on accepting for ever: they are asked to
// finish, and the old master comes back. What its own old workers still do
// (the streams here) goes on.
func TestSuccessorKilled(t *testing.T) {
	t.Parallel()
	for _, phase := range []supervisor.Phase{supervisor.Soaking, supervisor.Draining} {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			n := nginxtest.Start(t, site(t))
			c := quick()
			c.Upgrade.KeepOldSec = time.Minute
			if phase == supervisor.Soaking {
				c.Upgrade.SoakSec = time.Minute
			}
			r := runByHand(t, n, newStore(t), c)
			streams := traffic.Target{Kind: traffic.Stream, URL: "http://" + n.Listen + "/stream", Clients: 2}
			load := startLoad(t, append(shortTargets(n), streams))
			nginxtest.Eventually(t, "the streams run", func() bool { return load.Snapshot().Total.Running == streams.Clients })
			data, _ := n.Newer(t, '9')
			nginxtest.Install(t, n.Binary, data)
			answer := r.askUntil(t, request(supervisor.WaitDone), phase)
			signal(t, n.PID(t), unix.SIGKILL)
			out := <-answer
			if out.Code != supervisor.ExitRolledBack || out.Result != supervisor.RolledBack || !strings.Contains(out.Text, "SIGKILL") {
				t.Errorf("got %+v", out)
			}
			requireOldServes(t, n)
			report := load.Stop()
			if err := report.Verdict(); err != nil {
				t.Errorf("%v: %v", err, report.Failures)
			}
		})
	}
}

// Without an old master there is no way back. The successor serves on.
func TestOldKilledWhileSoaking(t *testing.T) {
	t.Parallel()
	n := nginxtest.Start(t, site(t))
	c := quick()
	c.Automatic, c.Upgrade.SoakSec = false, 5*time.Second
	store := newStore(t)
	r := runByHand(t, n, store, c)
	stop := lightTraffic(t, n)
	data, version := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)
	answer := r.askUntil(t, request(supervisor.WaitDone), supervisor.Soaking)
	successor := n.PID(t)
	signal(t, n.Master, unix.SIGKILL)
	if out := <-answer; out.Code != supervisor.ExitOK || out.Result != supervisor.Upgraded {
		t.Errorf("got %+v", out)
	}
	if records := history(t, store); len(records) != 1 || records[0].Result != supervisor.Upgraded {
		t.Errorf("records: %+v", records)
	}
	if masters := n.Masters(t); !slices.Equal(masters, []int{successor}) || n.PID(t) != successor {
		t.Errorf("masters %v, pid file %d, successor %d", masters, n.PID(t), successor)
	}
	if nginxtest.Exists(n.PIDPath() + nginx.OldBin) {
		t.Error(".oldbin is left")
	}
	requireNoKeptSocket(t, n)
	requireServer(t, n, version)
	// What is there now can be upgraded as anything else.
	c.Upgrade.SoakSec = quick().Upgrade.SoakSec
	r.Configure(c)
	data, version = n.Newer(t, '8')
	nginxtest.Install(t, n.Binary, data)
	if out := <-r.ask(t, request(supervisor.WaitDone)); out.Result != supervisor.Upgraded {
		t.Errorf("the next upgrade: %+v", out)
	}
	requireServer(t, n, version)
	stop()
}

// WINCH and HUP that reach a master in one wake-up leave it without workers for
// good. Whoever turns back as soon as WINCH was sent brings them as close to
// each other as they come.
func TestRollbacksInARow(t *testing.T) {
	t.Parallel()
	for phase, turnBack := range map[supervisor.Phase]func(*testing.T, *running, *nginxtest.Nginx){
		supervisor.Shifting: func(t *testing.T, r *running, _ *nginxtest.Nginx) {
			q := request(supervisor.WaitDone)
			q.Action = supervisor.ActionRollback
			if out, err := r.Do(t.Context(), q); err != nil || out.Code != supervisor.ExitOK {
				t.Errorf("asked for it: %+v, %v", out, err)
			}
		},
		supervisor.Soaking: func(t *testing.T, _ *running, n *nginxtest.Nginx) {
			signal(t, processes(t, n.PID(t)).With(nginx.RoleWorker)[0].PID, unix.SIGABRT)
		},
	} {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			n := nginxtest.Start(t, site(t))
			c := quick()
			c.Upgrade.SoakSec = time.Minute
			r := runByHand(t, n, newStore(t), c)
			targets := shortTargets(n)
			load := startLoad(t, targets)
			q := request(supervisor.WaitDone)
			q.Force = true
			for range 10 {
				data, _ := n.Newer(t, '9')
				nginxtest.Install(t, n.Binary, data)
				answer := r.ask(t, q)
				r.waitFor(t, "the phase is reached", func(s supervisor.Status) bool { return s.Phase == phase || s.Phase == supervisor.Soaking })
				turnBack(t, r, n)
				if out := <-answer; out.Result != supervisor.RolledBack {
					t.Fatalf("got %+v", out)
				}
				r.waitFor(t, "it is idle", func(s supervisor.Status) bool { return s.Phase == supervisor.Idle })
				requireOldServes(t, n)
			}
			requireOnlyCrashed(t, n, load.Stop(), targets)
		})
	}
}

// What was rolled back is not tried again by itself while everything is as it
// was, whether the build is to blame or not.
func TestRolledBackIsNotRetried(t *testing.T) {
	t.Parallel()
	for _, kind := range []badnginx.Kind{badnginx.CrashAtStart, badnginx.HangAtStart} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			n := nginxtest.Start(t, site(t))
			c := quick()
			c.Upgrade.StartTimeoutSec = time.Second
			store := newStore(t)
			processes(t, n.Master) // it is up
			r := run(t, n, store, c)
			r.waitFor(t, "it is attached", func(s supervisor.Status) bool { return s.Disk.SHA256 != "" })
			stop := lightTraffic(t, n)
			nginxtest.Install(t, n.Binary, makeBad(t, n, kind, 0))
			r.Poke()
			r.waitFor(t, "it is rolled back", func(s supervisor.Status) bool { return s.Last != nil && s.Last.Result == supervisor.RolledBack })
			for range 3 {
				r.Poke()
				// Answered when everything before it is done.
				q := request(supervisor.WaitDone)
				q.DryRun = true
				<-r.ask(t, q)
			}
			if records := history(t, store); len(records) != 1 || r.Status().Phase != supervisor.Idle {
				t.Errorf("%d records, phase %s", len(records), r.Status().Phase)
			}
			stop()
		})
	}
}

// Workers that were started anew on the way back have not loaded what is on disk:
// it stays drift, and the build stays innocent.
func TestDriftOutlivesTheWayBack(t *testing.T) {
	t.Parallel()
	n := nginxtest.Start(t, site(t))
	store := newStore(t)
	r := runByHand(t, n, store, quick())
	r.upToDate(t)
	config := readFile(t, n.ConfigPath())
	writeFile(t, n.ConfigPath(), config+"# changed\n")
	later := time.Now().Add(2 * time.Second)
	if err := os.Chtimes(n.ConfigPath(), later, later); err != nil {
		t.Fatal(err)
	}
	load := startLoad(t, shortTargets(n))
	nginxtest.Install(t, n.Binary, makeBad(t, n, badnginx.CrashAtFirstRequest, 0))
	for range 2 {
		if out := <-r.ask(t, request(supervisor.WaitDone)); out.Result != supervisor.RolledBack {
			t.Fatalf("got %+v", out)
		}
		r.waitFor(t, "it is idle", func(s supervisor.Status) bool { return s.Phase == supervisor.Idle })
	}
	requireOnlyCrashed(t, n, load.Stop(), shortTargets(n))
	for _, rec := range history(t, store) {
		if rec.Drift != n.ConfigPath() || rec.Condemned {
			t.Errorf("drift %q, condemned %v", rec.Drift, rec.Condemned)
		}
	}
}

// A newer build need not wait until the old master of the last one has been kept
// for its time.
func TestNewerCandidateCutsKeepOldSecShort(t *testing.T) {
	t.Parallel()
	n := start(t, traffic.Site{Unix: unixSocket(t)})
	c := quick()
	c.Upgrade.KeepOldSec = time.Hour
	store := newStore(t)
	r := run(t, n, store, c)
	r.upToDate(t)
	stop := lightTraffic(t, n)
	data, _ := n.Newer(t, '8')
	nginxtest.Install(t, n.Binary, data)
	r.Poke()
	r.waitFor(t, "it is kept", func(s supervisor.Status) bool { return s.Phase == supervisor.Draining })
	nginxtest.Install(t, n.Binary, []byte("no program"))
	r.Poke()
	q := request(supervisor.WaitDone)
	q.DryRun = true
	if out := <-r.ask(t, q); out.Code != supervisor.ExitDeferred {
		t.Errorf("something that is not fit has ended the wait: %+v", out)
	}
	data, version := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)
	r.Poke()
	r.waitFor(t, "the newer one serves", func(s supervisor.Status) bool {
		return s.Phase == supervisor.Draining && s.Last != nil && s.Last.Result == supervisor.Upgraded
	})
	requireServer(t, n, version)
	stop()
}

// runByHand looks after a test's nginx and upgrades it only when asked.
func runByHand(t *testing.T, n *nginxtest.Nginx, store supervisor.Store, c supervisor.Config, change ...func(*supervisor.Options)) *running {
	t.Helper()
	c.Automatic = false
	processes(t, n.Master) // it is up
	r := run(t, n, store, c, change...)
	r.waitFor(t, "it is attached", func(s supervisor.Status) bool { return s.MainPID == n.Master })
	return r
}

// askUntil asks for an upgrade and returns when the cycle waits in a phase.
func (r *running) askUntil(t *testing.T, q supervisor.Request, phase supervisor.Phase) <-chan supervisor.Outcome {
	t.Helper()
	answer := r.ask(t, q)
	r.waitFor(t, "the phase is reached", func(s supervisor.Status) bool { return s.Phase == phase })
	// A cycle answers when it waits.
	q.DryRun = true
	if out := <-r.ask(t, q); out.Code != supervisor.ExitDeferred {
		t.Fatalf("in %s: %+v", phase, out)
	}
	return answer
}

// makeBad makes a bad build beside the binary that it replaces.
func makeBad(t *testing.T, n *nginxtest.Nginx, kind badnginx.Kind, after time.Duration) []byte {
	t.Helper()
	return badnginx.Make(t, filepath.Dir(n.Binary), kind, '9', after)
}

func reached(r *supervisor.Record, phase supervisor.Phase) bool {
	return slices.ContainsFunc(r.Steps, func(s supervisor.StepRecord) bool { return s.Phase == phase })
}

// shortTargets are requests that no worker needs time to finish.
func shortTargets(n *nginxtest.Nginx) []traffic.Target {
	return []traffic.Target{
		{Kind: traffic.New, URL: "http://" + n.Listen + "/", Clients: 2, Interval: 5 * time.Millisecond},
		{Kind: traffic.KeepAlive, URL: "http://" + n.Listen + "/", Clients: 2},
		{Kind: traffic.Unix, URL: "http://localhost/", Unix: n.Unix, Clients: 1},
	}
}

// startLoad returns when the first request was answered.
func startLoad(t *testing.T, targets []traffic.Target) *traffic.Load {
	t.Helper()
	load, err := traffic.Start(traffic.Config{Targets: targets})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { load.Stop() })
	nginxtest.Eventually(t, "requests are answered", func() bool { return load.Snapshot().Total.OK > 0 })
	return load
}

// requireOldServes makes sure that everything is as it was before the cycle.
func requireOldServes(t *testing.T, n *nginxtest.Nginx) {
	t.Helper()
	if masters := n.Masters(t); !slices.Equal(masters, []int{n.Master}) || n.PID(t) != n.Master {
		t.Errorf("masters %v, pid file %d, old master %d", masters, n.PID(t), n.Master)
	}
	if nginxtest.Exists(n.PIDPath() + nginx.OldBin) {
		t.Error(".oldbin is left")
	}
	requireNoKeptSocket(t, n)
	now := processes(t, n.Master)
	if workers := now.With(nginx.RoleWorker); len(workers) != n.Workers {
		t.Errorf("%d workers accept, not %d", len(workers), n.Workers)
	}
	if left := strangers(t, n, now); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	requireServer(t, n, n.Version)
}

func requireNoKeptSocket(t *testing.T, n *nginxtest.Nginx) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(filepath.Dir(n.Unix), "*.nginx-hotswap"))
	if err != nil || len(left) > 0 {
		t.Errorf("kept links are left: %v %v", left, err)
	}
}

// strangers are processes from the site's directory outside the tree.
func strangers(t *testing.T, n *nginxtest.Nginx, tree nginx.Tree) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, link := range links {
		exe, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(exe, n.Dir+"/") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
		if err != nil {
			t.Fatal(err)
		}
		known := slices.ContainsFunc(tree.Children, func(c nginx.Child) bool { return c.PID == pid })
		if !known && pid != tree.Master.PID {
			title, _ := nginx.ReadTitle(pid) // gone by now: no stranger
			if title.Role != "" {
				found = append(found, fmt.Sprintf("%d %s", pid, title.Role))
			}
		}
	}
	return found
}

// requireServer makes sure that nothing fails any more and that one version
// answers everything.
func requireServer(t *testing.T, n *nginxtest.Nginx, version string) {
	t.Helper()
	load := startLoad(t, shortTargets(n))
	nginxtest.Eventually(t, "a hundred requests are answered", func() bool { return load.Snapshot().Total.Requests >= 100 })
	report := load.Stop()
	if err := report.Verdict(); err != nil {
		t.Errorf("after the end: %v: %v", err, report.Failures)
	}
	if servers := report.Total.Servers; len(servers) != 1 || servers["nginx/"+version] == 0 {
		t.Errorf("answers by %v, not by %s alone", servers, version)
	}
}

// requireOnlyCrashed allows for what the workers that crashed had in hand: at
// most one request of each client, which sees its connection end.
func requireOnlyCrashed(t *testing.T, n *nginxtest.Nginx, report *traffic.Report, targets []traffic.Target) {
	t.Helper()
	log, err := os.ReadFile(n.ErrorLogPath())
	if err != nil {
		t.Fatal(err)
	}
	crashes, clients := strings.Count(string(log), "exited on signal 6"), 0
	for _, target := range targets {
		clients += target.Clients
	}
	byCrash := 0
	for _, kind := range []string{traffic.EOF, traffic.Reset, traffic.Cut} {
		byCrash += report.Total.ByKind[kind]
	}
	if report.Total.Failed != byCrash || byCrash > crashes*clients {
		t.Errorf("%d crashes cost %v of %d clients: %v", crashes, report.Total.ByKind, clients, report.Failures)
	}
	t.Logf("%d crashes, %d of %d requests failed, %d stale retries", crashes, report.Total.Failed, report.Total.Requests, report.Total.StaleRetries)
}
