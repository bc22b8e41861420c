package supervisor_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// byScript watches an nginx whose package manager holds its lock, and upgrades
// nothing by itself.
func byScript(t *testing.T) (n *nginxtest.Nginx, r *running, unlock func()) {
	t.Helper()
	n = start(t, traffic.Site{Unix: unixSocket(t)})
	lock := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	unlock = lockFile(t, lock, unix.F_WRLCK)
	c := quick()
	c.Upgrade.SoakSec = 2 * time.Second // in which the script comes,
	c.Upgrade.ConfirmManual = true      // or after it
	r = run(t, n, newStore(t), c, func(o *supervisor.Options) {
		o.PackageLocks = []supervisor.PackageLock{{Path: lock, Kind: unix.F_WRLCK}}
	})
	r.upToDate(t)
	return n, r, unlock
}

// sendUSR2 is how scripts and people begin an upgrade.
func sendUSR2(t *testing.T, n *nginxtest.Nginx, r *running) (successor int) {
	t.Helper()
	// A process that another test forks has what was installed open for an instant.
	nginxtest.Eventually(t, "it can be executed", func() bool { return exec.CommandContext(t.Context(), n.Binary, "-v").Run() == nil })
	signal(t, n.Master, unix.SIGUSR2)
	nginxtest.Eventually(t, "there is a successor", func() bool {
		for _, pid := range n.Masters(t) {
			if pid != n.Master {
				successor = pid
			}
		}
		return successor != 0
	})
	r.Poke() // the daemon is told by the file that appears
	return successor
}

// An upgrade that a package's script has begun is judged as ours would be.
func TestScriptsUpgradeIsAdopted(t *testing.T) {
	t.Parallel()
	n, r, unlock := byScript(t)
	defer unlock()
	stop := lightTraffic(t, n)
	data, version := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)
	sendUSR2(t, n, r)
	r.waitFor(t, "it soaks", func(s supervisor.Status) bool { return s.Phase == supervisor.Soaking || s.Phase == supervisor.Draining })
	signal(t, n.Master, unix.SIGQUIT) // the script does not look
	r.waitFor(t, "it is adopted", func(s supervisor.Status) bool {
		return s.Phase == supervisor.Idle && s.Last != nil && s.Last.Result == supervisor.Adopted && s.Running.Version == version
	})
	stop()
	if records := history(t, r.store); len(records) != 1 || records[0].Origin != supervisor.OriginForeign {
		t.Errorf("records: %+v", records)
	}
	requireServer(t, n, version)
}

// newBinaryExits is what old writes when it has noticed the end of its successor. Until
// then it ignores USR2.
var newBinaryExits = regexp.MustCompile(`new binary process \d+ exited`)

// A bad one goes before the script can end the old master.
func TestScriptsBadUpgradeIsRolledBack(t *testing.T) {
	t.Parallel()
	n, r, unlock := byScript(t)
	load := startLoad(t, shortTargets(n))
	nginxtest.Install(t, n.Binary, makeBad(t, n, badnginx.CrashAtFirstRequest, 0))
	sendUSR2(t, n, r)
	r.waitFor(t, "it is on its way back", func(s supervisor.Status) bool { return s.Phase == supervisor.Restoring })
	// The script tries once more, and so does the package's next one: what is
	// on disk cannot be replaced while the lock is held.
	signal(t, n.Master, unix.SIGUSR2)
	nginxtest.Eventually(t, "it is dismissed", func() bool {
		log, err := os.ReadFile(n.ErrorLogPath())
		return err == nil && strings.Count(string(log), "using inherited sockets") == 2 && len(newBinaryExits.FindAll(log, -1)) == 2
	})
	unlock()
	r.waitFor(t, "the kept binary is back", func(s supervisor.Status) bool {
		return s.Phase == supervisor.Idle && s.Last != nil && s.Last.Result == supervisor.RolledBack && s.Disk.SHA256 == s.Running.SHA256
	})
	requireOnlyCrashed(t, n, load.Stop(), shortTargets(n))
	requireOldServes(t, n)
	if records := history(t, r.store); len(records) != 1 || !records[0].Condemned || records[0].Origin != supervisor.OriginForeign {
		t.Errorf("records: %+v", records)
	}
}

// A person's upgrade is told and recorded, and nobody meddles with it.
func TestPersonsUpgradeIsWatched(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		finish func(t *testing.T, old, successor int)
		want   supervisor.Result
	}{
		"finished": {func(t *testing.T, old, _ int) {
			signal(t, old, unix.SIGWINCH)
			signal(t, old, unix.SIGQUIT)
			gone(t, old)
		}, supervisor.Adopted},
		"taken back": {func(t *testing.T, _, successor int) {
			signal(t, successor, unix.SIGQUIT)
			gone(t, successor)
		}, supervisor.RolledBack},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := start(t, traffic.Site{Unix: unixSocket(t)})
			c := quick()
			c.Automatic = false
			r := run(t, n, newStore(t), c)
			r.upToDate(t)
			stop := lightTraffic(t, n)
			data, _ := n.Newer(t, '9')
			nginxtest.Install(t, n.Binary, data)
			successor := sendUSR2(t, n, r)
			r.waitFor(t, "it is told", func(s supervisor.Status) bool {
				return len(s.Masters) == 2 && strings.Contains(s.Reason, "somebody else upgrades nginx")
			})
			if masters := n.Masters(t); len(masters) != 2 {
				t.Errorf("masters: %v", masters)
			}
			tt.finish(t, n.Master, successor)
			r.waitFor(t, "it is recorded", func(s supervisor.Status) bool {
				return s.Last != nil && s.Last.Result == tt.want && len(s.Masters) == 1
			})
			stop()
			if records := history(t, r.store); len(records) != 1 || records[0].Origin != supervisor.OriginForeign || records[0].Condemned {
				t.Errorf("records: %+v", records)
			}
		})
	}
}

// ngx_exec_new_binary gives the pid file its other name before it forks, and no
// event comes after that: who looks in between looks again.
func TestUpgradeIsSeenFromItsAnnouncementOn(t *testing.T) {
	t.Parallel()
	n := start(t, traffic.Site{})
	r := run(t, n, newStore(t), quick())
	r.upToDate(t)
	announcement := n.PIDPath() + nginx.OldBin
	if err := os.Rename(n.PIDPath(), announcement); err != nil {
		t.Fatal(err)
	}
	r.Poke()
	out := <-r.ask(t, supervisor.Request{Origin: supervisor.OriginCLI, Wait: supervisor.WaitVerdict}) // the look is over
	if out.Code != supervisor.ExitOK {
		t.Errorf("an upgrade to what runs ends with %+v", out)
	}
	// It stays there: without it a look might find nothing to wait for.
	writeFile(t, n.PIDPath(), fmt.Sprintln(n.Master))
	signal(t, n.Master, unix.SIGUSR2)
	r.waitFor(t, "it is told", func(s supervisor.Status) bool { return strings.Contains(s.Reason, "somebody else upgrades nginx") })
}

// whileAway is a daemon that is stopped while a person runs a build that it has in
// quarantine.
type whileAway struct {
	*nginxtest.Nginx
	unit      *fakeUnit
	store     supervisor.Store
	successor int
	version   string
	finish    func() // what the old master does
}

func ranWhileAway(t *testing.T) *whileAway {
	t.Helper()
	n := start(t, site(t))
	w := &whileAway{Nginx: n, unit: newFakeUnit("nginx.service", n.PIDPath(), n.Master), store: newStore(t)}
	r := w.comesBack(t)
	r.upToDate(t)
	var data []byte
	data, w.version = n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)
	answer := r.askUntil(t, request(supervisor.WaitDone), supervisor.Soaking)
	signal(t, processes(t, n.PID(t)).With(nginx.RoleWorker)[0].PID, unix.SIGABRT)
	if out := <-answer; out.Result != supervisor.RolledBack {
		t.Fatalf("got %+v", out)
	}
	r.upToDate(t) // the kept binary is back
	r.stop()
	w.finish = streams(t, n)
	nginxtest.Install(t, n.Binary, data)
	w.successor = sendUSR2(t, n, r)
	processes(t, w.successor)
	return w
}

// comesBack is the daemon's next start. By its pid file it would find the successor
// and nothing more.
func (w *whileAway) comesBack(t *testing.T) *running {
	t.Helper()
	c := quick()
	c.Upgrade.SoakSec = time.Hour
	instance := supervisor.InstanceConfig{Name: "test", Unit: "nginx.service", Upgrade: c.Upgrade}
	return runInstance(t, instance, w.store, c, func(o *supervisor.Options) { o.Systemd = w.unit })
}

// A condemned build goes as long as there is an old master that serves.
func TestForeignUpgradeWhileAway(t *testing.T) {
	t.Parallel()
	w := ranWhileAway(t)
	stop := lightTraffic(t, w.Nginx)
	r := w.comesBack(t)
	r.waitFor(t, "it is taken back", func(s supervisor.Status) bool {
		return s.Phase == supervisor.Idle && s.Last.Result == supervisor.RolledBack && len(s.Masters) == 1 && len(history(t, w.store)) == 2
	})
	stop()
	w.finish()
	requireOldServes(t, w.Nginx)
}

// A person runs a build that is in quarantine and has told the old master to go
// before anybody looked: bad or not, the successor is all that serves.
func TestForeignUpgradeSeenAfterItsQUIT(t *testing.T) {
	t.Parallel()
	w := ranWhileAway(t)
	toldToGo(t, w.Master)
	stop := lightTraffic(t, w.Nginx)
	r := w.comesBack(t)
	r.waitFor(t, "it is told", func(s supervisor.Status) bool {
		return strings.Contains(s.Reason, "somebody else upgrades nginx") && strings.Contains(s.Reason, "no way back") &&
			!strings.Contains(s.Reason, "kill")
	})
	w.finish()
	gone(t, w.Master)
	w.unit.change(func(s *systemd.State) { s.MainPID = w.successor })
	r.Poke()
	r.waitFor(t, "it is recorded", func(s supervisor.Status) bool { return s.Last.Result == supervisor.Adopted && s.MainPID == w.successor })
	stop()
	requireServer(t, w.Nginx, w.version)
}

// Whoever watches is not told to take an upgrade back that cannot be taken back
// any more.
func TestPersonsUpgradeAfterItsQUIT(t *testing.T) {
	t.Parallel()
	n := start(t, site(t))
	c := quick()
	c.Automatic = false
	r := run(t, n, newStore(t), c)
	r.upToDate(t)
	finish := streams(t, n)
	data, _ := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)
	takeBack := fmt.Sprintf("to take it back run `kill -QUIT %d`", sendUSR2(t, n, r))
	r.waitFor(t, "it is told", func(s supervisor.Status) bool { return strings.Contains(s.Reason, takeBack) })
	toldToGo(t, n.Master)
	r.waitFor(t, "there is no way back", func(s supervisor.Status) bool {
		return strings.Contains(s.Reason, "no way back") && !strings.Contains(s.Reason, takeBack)
	})
	finish()
	r.waitFor(t, "it is recorded", func(s supervisor.Status) bool { return s.Last != nil && s.Last.Result == supervisor.Adopted })
}
