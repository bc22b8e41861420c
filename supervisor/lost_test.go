package supervisor_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// interruptedUnit is a unit at whose next question something happens.
type interruptedUnit struct {
	*fakeUnit
	mu   sync.Mutex
	next func() bool // it has happened
}

func (u *interruptedUnit) Unit(string) supervisor.Unit { return u }

func (u *interruptedUnit) State(ctx context.Context) (systemd.State, error) {
	u.mu.Lock()
	if u.next != nil && u.next() {
		u.next = nil
	}
	u.mu.Unlock()
	return u.fakeUnit.State(ctx)
}

func (u *interruptedUnit) then(f func() bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.next = f
}

// toldToGo sends QUIT, as scripts do that do not look, and returns when the
// master has closed its listeners.
func toldToGo(t *testing.T, pid int) {
	t.Helper()
	if err := unix.Kill(pid, unix.SIGQUIT); err != nil {
		t.Error(err)
	}
	for len(listeners(t, pid)) > 0 {
		time.Sleep(time.Millisecond)
	}
}

// listeners are those of a process, which may be gone.
func listeners(t *testing.T, pid int) []nginx.Listener {
	t.Helper()
	p, err := nginx.Open(pid)
	if errors.Is(err, nginx.ErrGone) {
		return nil
	}
	if err != nil {
		t.Error(err)
		return nil
	}
	defer p.Close()
	held, err := p.Listeners()
	if err != nil && !errors.Is(err, nginx.ErrGone) {
		t.Error(err)
	}
	return held
}

// streams keep a master's workers busy until the end of the test or stop.
func streams(t *testing.T, n *nginxtest.Nginx) (stop func()) {
	t.Helper()
	const clients = 4
	load, err := traffic.Start(traffic.Config{Targets: []traffic.Target{{Kind: traffic.Stream, URL: "http://" + n.Listen + "/stream", Clients: clients}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { load.Stop() })
	nginxtest.Eventually(t, "the streams run", func() bool { return load.Snapshot().Total.Running == clients })
	return func() { load.Stop() }
}

// A script's QUIT that reaches the old master between the decision to go back and
// the successor's dismissal leaves the successor as all that serves. It is kept,
// bad as it is, and the way back leads over the next cycle.
func TestOldToldToGoBeforeDismissing(t *testing.T) {
	t.Parallel()
	n := start(t, site(t))
	unit := &interruptedUnit{fakeUnit: newFakeUnit("nginx.service", n.PIDPath(), n.Master)}
	c := quick()
	c.Upgrade.SoakSec = time.Hour
	r := run(t, n, newStore(t), c, func(o *supervisor.Options) { o.Systemd = unit })
	r.upToDate(t)
	finish := streams(t, n)
	data, _ := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)
	answer := r.askUntil(t, request(supervisor.WaitDone), supervisor.Soaking)
	successor := n.PID(t)
	unit.then(func() bool {
		if r.Outline().Phase != supervisor.Returning {
			return false
		}
		toldToGo(t, n.Master)
		return true
	})
	signal(t, processes(t, successor).With(nginx.RoleWorker)[0].PID, unix.SIGABRT)
	if out := <-answer; out.Result != supervisor.Lost || out.Code != supervisor.ExitFailure || !strings.Contains(out.Text, "told old master") {
		t.Errorf("got %+v", out)
	}
	r.Configure(quick()) // the way back has to end
	stop := lightTraffic(t, n)
	if st := r.Status(); st.Alert != "" {
		t.Errorf("somebody serves, and yet: %s", st.Alert)
	}
	finish()
	gone(t, n.Master)
	unit.change(func(s *systemd.State) { s.MainPID = successor })
	r.Poke()
	r.waitFor(t, "the kept build serves again", func(s supervisor.Status) bool {
		return s.Phase == supervisor.Idle && s.Running.Version == n.Version && s.Last.Result == supervisor.Upgraded && s.MainPID != successor
	})
	stop()
	requireServer(t, n, n.Version)
	// What was installed does not run, whichever way led back.
	r.waitFor(t, "a person is told", func(s supervisor.Status) bool { return strings.Contains(s.Alert, "stands in for") })
	if out := <-r.ask(t, request(supervisor.WaitDone)); out.Code != supervisor.ExitRolledBack {
		t.Errorf("got %+v", out)
	}
	q := request(supervisor.WaitDone)
	q.Action = supervisor.ActionRollback
	if out, err := r.Do(t.Context(), q); err != nil || out.Code != supervisor.ExitFailure {
		t.Errorf("it went back to the condemned build: %+v, %v", out, err)
	}
}

// When both masters were told to go nobody is left that could start workers, and
// the old version does not serve, whatever the way back looks like: a person has to
// know at once. A frozen master that has its workers again does not wait for them.
func TestOldToldToGoWhileDismissing(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		busy bool
		says string
	}{
		"old finishes something": {true, "nobody accepts connections"},
		"old is idle":            {false, "serve without a master"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := start(t, traffic.Site{Upstream: site(t).Upstream})
			c := quick()
			c.Automatic = false
			c.Upgrade.SoakSec = time.Hour
			c.Upgrade.DismissTimeoutSec = time.Hour
			unit := newFakeUnit("nginx.service", n.PIDPath(), n.Master)
			r := run(t, n, newStore(t), c, func(o *supervisor.Options) { o.Systemd = unit })
			r.upToDate(t)
			if tt.busy {
				streams(t, n)
			}
			data, _ := n.Newer(t, '9')
			nginxtest.Install(t, n.Binary, data)
			answer := r.askUntil(t, request(supervisor.WaitDone), supervisor.Soaking)
			successor := n.PID(t)
			streams(t, n)
			q := request(supervisor.WaitDone)
			q.Action = supervisor.ActionRollback
			go func() { _, _ = r.Do(t.Context(), q) }()
			nginxtest.Eventually(t, "it is dismissed", func() bool { return len(listeners(t, successor)) == 0 })
			toldToGo(t, n.Master)
			select {
			case out := <-answer:
				if out.Result != supervisor.Lost || !strings.Contains(out.Text, tt.says) || !strings.Contains(out.Text, "systemctl restart nginx.service") {
					t.Errorf("got %+v", out)
				}
			case <-time.After(time.Minute):
				t.Fatalf("it goes on: %+v", r.Status())
			}
			r.waitFor(t, "a person is called", func(s supervisor.Status) bool { return strings.Contains(s.Alert, tt.says) })
		})
	}
}

// atWord is a log at one of whose words something happens, once.
type atWord struct {
	testWriter
	word string
	do   func()
}

func (w *atWord) Write(p []byte) (int, error) {
	if w.do != nil && strings.Contains(string(p), w.word) {
		w.do()
		w.do = nil
	}
	return w.testWriter.Write(p)
}

// An old master that is killed when the way back is decided on, or about to be
// gone, cannot remove its own pid file.
func TestOldKilledBeforeReviving(t *testing.T) {
	t.Parallel()
	n := start(t, site(t))
	c := quick()
	c.Automatic = false
	c.Upgrade.SoakSec = time.Hour
	log := &atWord{testWriter: testWriter{t}, word: "going back to", do: func() {
		signal(t, n.Master, unix.SIGKILL)
		gone(t, n.Master)
	}}
	r := run(t, n, newStore(t), c, func(o *supervisor.Options) { o.Log = slog.New(slog.NewTextHandler(log, nil)) })
	r.upToDate(t)
	data, _ := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)
	answer := r.askUntil(t, request(supervisor.WaitDone), supervisor.Soaking)
	q := request(supervisor.WaitDone)
	q.Action = supervisor.ActionRollback
	go func() { _, _ = r.Do(t.Context(), q) }()
	if out := <-answer; out.Result != supervisor.Lost {
		t.Errorf("got %+v", out)
	}
	if old := n.PIDPath() + nginx.OldBin; nginxtest.Exists(old) {
		t.Errorf("%s is left behind", old)
	}
}

// A package's script sends QUIT to the master in .oldbin some seconds after USR2.
// A dismissed successor does not get the time to finish what it does: its master would
// be told to go with the old one.
func TestScriptFindsNoOldBin(t *testing.T) {
	t.Parallel()
	n := start(t, site(t))
	lock := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	unlock := lockFile(t, lock, unix.F_WRLCK)
	c := quick()
	c.Upgrade.SoakSec = time.Hour
	c.Upgrade.DismissTimeoutSec = time.Hour
	r := run(t, n, newStore(t), c, func(o *supervisor.Options) {
		o.PackageLocks = []supervisor.PackageLock{{Path: lock, Kind: unix.F_WRLCK}}
	})
	r.upToDate(t)
	stop := lightTraffic(t, n)
	data, _ := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)
	sendUSR2(t, n, r)
	r.waitFor(t, "it soaks", func(s supervisor.Status) bool { return s.Phase == supervisor.Soaking })
	streams(t, n)
	q := request(supervisor.WaitVerdict)
	q.Action = supervisor.ActionRollback
	go func() { _, _ = r.Do(t.Context(), q) }()
	nginxtest.Eventually(t, ".oldbin is gone", func() bool { return !nginxtest.Exists(n.PIDPath() + nginx.OldBin) })
	unlock()
	r.waitFor(t, "it is rolled back", func(s supervisor.Status) bool {
		return s.Phase == supervisor.Idle && s.Last != nil && s.Last.Result == supervisor.RolledBack
	})
	stop()
	requireOldServes(t, n)
}
