package supervisor_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/freeport"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// inPhase upgrades a fresh nginx and returns when the cycle waits in a phase,
// from which it does not go on by itself.
func inPhase(t *testing.T, phase supervisor.Phase, unit *fakeUnit) (*nginxtest.Nginx, *running, <-chan supervisor.Outcome) {
	t.Helper()
	n := start(t, traffic.Site{Unix: unixSocket(t)})
	c := quick()
	c.Automatic = false
	c.Upgrade.KeepOldSec = time.Hour
	if phase == supervisor.Soaking {
		c.Upgrade.SoakSec = time.Hour
	}
	r := run(t, n, newStore(t), c, func(o *supervisor.Options) {
		if unit != nil {
			unit.change(func(s *systemd.State) { s.MainPID, s.PIDFile = n.Master, n.PIDPath() })
			o.Systemd = unit
		}
	})
	r.waitFor(t, "it is attached", func(s supervisor.Status) bool { return s.MainPID == n.Master })
	data, _ := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)
	return n, r, r.askUntil(t, request(supervisor.WaitDone), phase)
}

func workersOf(t *testing.T, master int, role nginx.Role) []nginx.ID {
	t.Helper()
	p, err := nginx.Open(master)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	tree, err := nginx.ReadTree(p.ID)
	if err != nil {
		t.Fatal(err)
	}
	var ids []nginx.ID
	for _, w := range tree.With(role) {
		ids = append(ids, w.ID)
	}
	return ids
}

// `systemctl reload` with ExecReload=/bin/kill -HUP $MAINPID reaches the frozen
// old master: what is meant is the configuration.
func TestReloadOfTheOldMasterIsPassedOn(t *testing.T) {
	t.Parallel()
	for _, phase := range []supervisor.Phase{supervisor.Soaking, supervisor.Draining} {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			unit := newFakeUnit("nginx.service", "", 0)
			n, r, answer := inPhase(t, phase, unit)
			stop := lightTraffic(t, n)
			successor := n.PID(t)
			before := workersOf(t, successor, nginx.RoleWorker)
			unit.change(func(s *systemd.State) { s.Changed = time.Now() })
			signal(t, n.Master, unix.SIGHUP)
			nginxtest.Eventually(t, "the successor has loaded its configuration", func() bool {
				now := workersOf(t, successor, nginx.RoleWorker)
				return len(now) == n.Workers && !slices.Contains(now, before[0])
			})
			nginxtest.Eventually(t, "old is frozen again", func() bool { return len(workersOf(t, n.Master, nginx.RoleWorker)) == 0 })
			if st := r.Status(); st.Phase != phase {
				t.Errorf("the cycle is in %s", st.Phase)
			}
			goBack(t, r, answer)
			stop()
			requireOldServes(t, n)
		})
	}
}

// What reaches old while the successor starts comes, perhaps, after that has read
// its configuration, and WINCH sends the workers away that old started for it. It
// is not parallel to others: it stops every cycle.
func TestReloadWhileTheSuccessorStarts(t *testing.T) {
	for name, tt := range map[string]struct {
		by     func(*testing.T, *nginxtest.Nginx, *fakeUnit)
		marked string
		stop   bool // the daemon, too
	}{
		"by systemctl reload": {func(t *testing.T, n *nginxtest.Nginx, unit *fakeUnit) {
			unit.change(reloaded)
			signal(t, n.Master, unix.SIGHUP)
		}, "yes", false},
		"by systemctl reload, and the daemon is restarted": {func(t *testing.T, n *nginxtest.Nginx, unit *fakeUnit) {
			unit.change(reloaded)
			signal(t, n.Master, unix.SIGHUP)
		}, "yes", true},
		"by systemctl reload, whose HUP nobody sees": {func(_ *testing.T, _ *nginxtest.Nginx, unit *fakeUnit) {
			unit.change(reloaded)
		}, "yes", false},
		"by hand": {func(t *testing.T, n *nginxtest.Nginx, _ *fakeUnit) {
			signal(t, n.Master, unix.SIGHUP)
			nginxtest.Eventually(t, "old has two sets of workers", func() bool { return len(workersOf(t, n.Master, nginx.RoleWorker)) == 2*n.Workers })
		}, "yes", false},
		"by hand, and old finds it together with WINCH": {func(t *testing.T, n *nginxtest.Nginx, _ *fakeUnit) {
			signal(t, n.Master, unix.SIGSTOP)
			signal(t, n.Master, unix.SIGHUP)
		}, "yes", false},
		"not at all, a worker crashes": {func(t *testing.T, n *nginxtest.Nginx, _ *fakeUnit) {
			before := workersOf(t, n.Master, nginx.RoleWorker)
			signal(t, before[0].PID, unix.SIGKILL)
			nginxtest.Eventually(t, "there is another in its place", func() bool {
				now := workersOf(t, n.Master, nginx.RoleWorker)
				return len(now) == n.Workers && !slices.Contains(now, before[0])
			})
		}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			n, r, unit := runUnit(t)
			nginxtest.Install(t, n.Binary, newer(t, n))
			reached, goOn := supervisor.StopAt(t, supervisor.Starting)
			answer := r.ask(t, request(supervisor.WaitDone))
			<-reached
			writeFile(t, n.ConfigPath(), strings.Replace(readFile(t, n.ConfigPath()), "http {", "http {\n    add_header X-Reloaded yes;\n", 1))
			tt.by(t, n, unit)
			if tt.stop {
				time.AfterFunc(10*time.Millisecond, goOn)
				r.stop()
				<-answer // that it was interrupted, or that it is done
				r = run(t, n, r.store, quick(), func(o *supervisor.Options) { o.Systemd = unit })
				r.upToDate(t)
			} else {
				goOn()
				letGoOn(t, n.Master)
				if out := <-answer; out.Result != supervisor.Upgraded {
					t.Errorf("got %+v", out)
				}
			}
			if tt.marked != "" {
				nginxtest.Eventually(t, "it is loaded", func() bool { return marked(t, n) == tt.marked })
			}
			if rec := history(t, r.store)[0]; rec.Reloaded != (tt.marked != "") || tt.marked == "" && marked(t, n) != "" {
				t.Errorf("X-Reloaded is %q, record: %+v", marked(t, n), rec)
			}
		})
	}
}

// letGoOn lets a master go on that is stopped, once WINCH waits for it.
func letGoOn(t *testing.T, master int) {
	t.Helper()
	if stat, err := nginx.ReadStat(master); err != nil || stat.State != 'T' {
		return
	}
	nginxtest.Eventually(t, "WINCH is sent", func() bool {
		signals, err := nginx.ReadSignals(master)
		return err == nil && nginx.Has(signals.Pending, unix.SIGWINCH)
	})
	signal(t, master, unix.SIGCONT)
}

func goBack(t *testing.T, r *running, answer <-chan supervisor.Outcome) {
	t.Helper()
	q := request(supervisor.WaitDone)
	q.Action = supervisor.ActionRollback
	if out, err := r.Do(t.Context(), q); err != nil || out.Code != supervisor.ExitOK {
		t.Errorf("asked for the way back: %+v, %v", out, err)
	}
	if out := <-answer; out.Result != supervisor.RolledBack {
		t.Errorf("got %+v", out)
	}
	r.waitFor(t, "it is idle", func(s supervisor.Status) bool { return s.Phase == supervisor.Idle })
}

// A person who goes back as nginx's documentation tells, by HUP to the old
// master, is helped, and the build is not to blame.
func TestGoingBackByHand(t *testing.T) {
	t.Parallel()
	for _, phase := range []supervisor.Phase{supervisor.Soaking, supervisor.Draining} {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			n, r, answer := inPhase(t, phase, nil)
			stop := lightTraffic(t, n)
			signal(t, n.Master, unix.SIGHUP)
			out := <-answer
			if out.Result != supervisor.RolledBack || !strings.Contains(out.Text, "HUP") {
				t.Errorf("got %+v", out)
			}
			stop()
			requireOldServes(t, n)
			if records := history(t, r.store); len(records) != 1 || records[0].Condemned {
				t.Errorf("records: %+v", records)
			}
		})
	}
}

// What was reloaded while the successor served is loaded by the old master
// when it is back.
func TestReloadIsMadeUpFor(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		after  string // is appended to the configuration after the reload
		marked string
	}{
		"good":             {"", "yes"},
		"broken meanwhile": {"no_such_directive;\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, r, answer := inPhase(t, supervisor.Soaking, nil)
			stop := lightTraffic(t, n)
			config := readFile(t, n.ConfigPath())
			config = strings.Replace(config, "http {", "http {\n    add_header X-Reloaded yes;\n", 1)
			writeFile(t, n.ConfigPath(), config)
			signal(t, n.PID(t), unix.SIGHUP)
			nginxtest.Eventually(t, "the successor has loaded it", func() bool { return marked(t, n) == "yes" })
			r.waitFor(t, "it was seen", func(supervisor.Status) bool { return runningRecord(t, r).Reloaded })
			writeFile(t, n.ConfigPath(), config+tt.after)
			goBack(t, r, answer)
			nginxtest.Eventually(t, "old answers with its configuration", func() bool { return marked(t, n) == tt.marked })
			stop()
			writeFile(t, n.ConfigPath(), config)
			requireOldServes(t, n)
		})
	}
}

// The first workers of a successor that goes before it was to serve alone are no
// reload: what is on disk then, half of a package perhaps, nobody has loaded.
func TestNoReloadIsMadeUpForWithoutOne(t *testing.T) {
	t.Parallel()
	n := start(t, traffic.Site{Unix: unixSocket(t)})
	c := quick()
	c.Upgrade.LeaveBadBinary = true
	r := runByHand(t, n, newStore(t), c)
	nginxtest.Install(t, n.Binary, makeBad(t, n, badnginx.CrashAtFirstRequest, 0))
	if out := <-r.ask(t, request(supervisor.WaitDone)); out.Result != supervisor.RolledBack {
		t.Fatalf("got %+v", out)
	}
	r.waitFor(t, "it is idle", func(s supervisor.Status) bool { return s.Phase == supervisor.Idle })
	before := workersOf(t, n.Master, nginx.RoleWorker)
	writeFile(t, n.ConfigPath(), strings.Replace(readFile(t, n.ConfigPath()), "http {", "http {\n    add_header X-Reloaded yes;\n", 1))
	signal(t, n.Master, unix.SIGUSR2) // by a package's script: the build is in quarantine
	r.waitFor(t, "it is dismissed", func(s supervisor.Status) bool {
		r.Poke()
		return s.Phase == supervisor.Idle && len(history(t, r.store)) == 2
	})
	if rec := history(t, r.store)[1]; rec.Result != supervisor.RolledBack || rec.Reloaded || reached(rec, supervisor.Shifting) {
		t.Errorf("record: %+v", rec)
	}
	requireOldServes(t, n)
	if now := workersOf(t, n.Master, nginx.RoleWorker); !slices.Equal(now, before) || marked(t, n) != "" {
		t.Errorf("workers %v, before %v: old has loaded its configuration", now, before)
	}
}

// Logs that were rotated under the successor are not written to any more by the
// old master.
func TestRotationReachesTheOldMaster(t *testing.T) {
	t.Parallel()
	n, r, answer := inPhase(t, supervisor.Draining, nil)
	if err := os.Rename(n.ErrorLogPath(), n.ErrorLogPath()+".1"); err != nil {
		t.Fatal(err)
	}
	signal(t, n.PID(t), unix.SIGUSR1)
	nginxtest.Eventually(t, "old writes to the new log", func() bool { return !holds(t, n.Master, n.ErrorLogPath()+".1") })
	goBack(t, r, answer)
	requireOldServes(t, n)
}

func holds(t *testing.T, pid int, path string) bool {
	t.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(links, func(link string) bool {
		to, _ := os.Readlink(link) // it may be closed by now
		return to == path
	})
}

// marked is what the configuration that answers a request adds to the answer.
func marked(t *testing.T, n *nginxtest.Nginx) string {
	t.Helper()
	r, err := http.Get("http://" + n.Listen + "/")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r.Header.Get("X-Reloaded")
}

func runningRecord(t *testing.T, r *running) *supervisor.Record {
	t.Helper()
	rec, err := r.store.LoadRunning("test")
	if err != nil || rec == nil {
		t.Fatalf("no record: %v", err)
	}
	return rec
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Without a daemon the cycle is shown as it was left.
func TestPeekInMidCycle(t *testing.T) {
	t.Parallel()
	n, r, _ := inPhase(t, supervisor.Draining, nil)
	successor := n.PID(t)
	r.stop()
	st := supervisor.New(instanceOf(n, quick()), options(t, r.store, quick())).Peek(t.Context())
	if st.Phase != supervisor.Draining || len(st.Masters) != 2 || st.Masters[0].PID != n.Master || st.Masters[1].PID != successor ||
		st.Running.Version != n.Version || !strings.Contains(st.Reason, "interrupted") {
		t.Errorf("got %+v", st)
	}
}

// A listener that a reload takes away must not stay open in a frozen master.
func TestListenerRemovedByReload(t *testing.T) {
	t.Parallel()
	n := start(t, traffic.Site{Unix: unixSocket(t)})
	extra := freeport.Address(t)
	config := readFile(t, n.ConfigPath())
	more := strings.TrimSuffix(config, "}\n") + "server { listen " + extra + "; }\n}\n"
	writeFile(t, n.ConfigPath(), more)
	old := workersOf(t, n.Master, nginx.RoleWorker)
	signal(t, n.Master, unix.SIGHUP)
	nginxtest.Eventually(t, "it is reloaded", func() bool {
		now := workersOf(t, n.Master, nginx.RoleWorker)
		return len(now) == n.Workers && !slices.Contains(now, old[0])
	})
	c := quick()
	c.Upgrade.KeepOldSec = time.Hour
	r := runByHand(t, n, newStore(t), c)
	data, version := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)
	answer := r.askUntil(t, request(supervisor.WaitDone), supervisor.Draining)
	writeFile(t, n.ConfigPath(), config)
	signal(t, n.PID(t), unix.SIGHUP)
	if out := <-answer; out.Result != supervisor.Upgraded {
		t.Errorf("got %+v", out)
	}
	gone(t, n.Master)
	requireServer(t, n, version)
}

// A main process that is no more, while the pid file names a master of the
// unit, is left behind by a reload in the last moment of a successor.
func TestSystemdFollowsAgain(t *testing.T) {
	t.Parallel()
	for name, byPID := range map[string]bool{"nginx -s reload": false, "kill -HUP": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			unit := newFakeUnit("nginx.service", "", 0)
			n, r, answer := inPhase(t, supervisor.Soaking, unit)
			successor := n.PID(t)
			unit.change(func(s *systemd.State) { unit.stale, s.ReloadsMainPID = successor, byPID })
			goBack(t, r, answer)
			requireOldServes(t, n)
			want := n.Master
			if byPID { // such a reload would fail, and systemd would end the unit
				want = successor
			}
			if state, err := unit.State(t.Context()); err != nil || state.MainPID != want {
				t.Errorf("systemd follows %d, not %d", state.MainPID, want)
			}
		})
	}
}
