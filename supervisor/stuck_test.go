package supervisor_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// stage is an nginx whose way back gets stuck.
type stage struct {
	t         *testing.T
	n         *nginxtest.Nginx
	r         *running
	config    supervisor.Config
	change    []func(*supervisor.Options)
	unit      *stubbornUnit // or nil
	log       *logBuffer
	version   string // of the successor
	successor int
	out       supervisor.Outcome
}

// stubbornUnit is a unit whose MainPID does not move when it should.
type stubbornUnit struct {
	*fakeUnit
	cured chan struct{}
}

func (u stubbornUnit) Unit(string) supervisor.Unit { return u }

func (u stubbornUnit) Notify(pid int, lines ...string) error {
	select {
	case <-u.cured:
		return u.fakeUnit.Notify(pid, lines...)
	default:
		return nil
	}
}

func (u stubbornUnit) WaitMainPID(ctx context.Context, pid int) error {
	select {
	case <-u.cured:
		return u.fakeUnit.WaitMainPID(ctx, pid)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// logBuffer keeps what the supervisor says.
type logBuffer struct {
	testWriter
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Write(p)
	return b.testWriter.Write(p)
}

func (b *logBuffer) into(o *supervisor.Options) { o.Log = slog.New(slog.NewTextHandler(b, nil)) }

func (b *logBuffer) count(what string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.text.String(), what)
}

func newStage(t *testing.T, unit bool, short ...func(*supervisor.Options)) *stage {
	t.Helper()
	s := &stage{t: t, n: nginxtest.Start(t, site(t)), config: quick(), log: &logBuffer{testWriter: testWriter{t}}}
	processes(t, s.n.Master) // it is up
	s.config.Upgrade.SoakSec = time.Minute
	s.config.Upgrade.DismissTimeoutSec = 500 * time.Millisecond
	s.change = append([]func(*supervisor.Options){s.log.into}, short...)
	if unit {
		s.unit = &stubbornUnit{newFakeUnit("nginx.service", s.n.PIDPath(), s.n.Master), make(chan struct{})}
		s.change = append(s.change, func(o *supervisor.Options) { o.Systemd = s.unit })
	}
	s.start(newStore(t))
	s.r.upToDate(t)
	return s
}

// start lets a supervisor look after the nginx.
func (s *stage) start(store supervisor.Store) {
	s.t.Helper()
	s.r = run(s.t, s.n, store, s.config, s.change...)
}

// soaks begins a cycle and returns when the successor soaks.
func (s *stage) soaks() <-chan supervisor.Outcome {
	s.t.Helper()
	var data []byte
	data, s.version = s.n.Newer(s.t, '9')
	nginxtest.Install(s.t, s.n.Binary, data)
	answer := s.r.askUntil(s.t, request(supervisor.WaitDone), supervisor.Soaking)
	s.successor = s.n.PID(s.t)
	return answer
}

// turnsBack asks for the way back and waits for its end.
func (s *stage) turnsBack(answer <-chan supervisor.Outcome) {
	s.t.Helper()
	q := request(supervisor.WaitDone)
	q.Action = supervisor.ActionRollback
	if _, err := s.r.Do(s.t.Context(), q); err != nil {
		s.t.Fatal(err)
	}
	s.isStuck(<-answer)
}

func (s *stage) isStuck(out supervisor.Outcome) {
	s.t.Helper()
	s.out = out
	if out.Code != supervisor.ExitStuck || out.Result != supervisor.Stuck {
		s.t.Fatalf("got %+v", out)
	}
	records := history(s.t, s.r.store)
	if len(records) != 1 || records[0].Result != supervisor.Stuck || s.log.count("MESSAGE_ID="+supervisor.EventStuck.ID) != 1 {
		s.t.Errorf("records: %+v", records)
	}
}

// ways are the command lines of a text by what it says of them.
func ways(text string) map[string]string {
	lines := strings.Split(text, "\n")
	found := map[string]string{}
	for i, line := range lines[1:] {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			found[lines[i]] = command
		}
	}
	return found
}

// takes runs the commands of a way as a person does who pastes them. systemctl
// is not here: what it is told is returned.
func (s *stage) takes(text, way string) (systemctl string) {
	s.t.Helper()
	s.t.Log(text)
	for what, command := range ways(text) {
		if !strings.HasPrefix(what, way) {
			continue
		}
		dir := s.t.TempDir()
		told := filepath.Join(dir, "told")
		stub := fmt.Sprintf("#!/bin/sh\necho \"$@\" >>%s\n", told)
		if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(stub), 0o755); err != nil {
			s.t.Fatal(err)
		}
		cmd := exec.CommandContext(s.t.Context(), "sh", "-c", command)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil {
			s.t.Fatalf("%s: %v\n%s", command, err, out)
		}
		data, _ := os.ReadFile(told) // nothing was told
		return strings.TrimSpace(string(data))
	}
	s.t.Fatalf("no way %q", way)
	return ""
}

// isOrdinary waits until one master is left, looks at everything that it has,
// and upgrades it.
func (s *stage) isOrdinary(master int, version string) {
	t, n := s.t, s.n
	t.Helper()
	nginxtest.Eventually(t, "one master is left", func() bool { return slices.Equal(n.Masters(t), []int{master}) })
	if s.unit != nil {
		close(s.unit.cured)
		s.unit.change(func(st *systemd.State) { st.MainPID = master })
		s.r.Poke() // as the change of the unit does
	}
	now := processes(t, master)
	// A master renames its pid file a moment after the other's exit.
	nginxtest.Eventually(t, "the pid file names it and .oldbin is gone", func() bool {
		return n.PID(t) == master && !nginxtest.Exists(n.PIDPath()+nginx.OldBin)
	})
	nginxtest.Eventually(t, "nothing else runs", func() bool { return len(strangers(t, n, now)) == 0 })
	requireServer(t, n, version)
	s.r.waitFor(t, "it is found", func(st supervisor.Status) bool {
		return st.MainPID == master && len(st.Masters) == 1 && st.Running.Version == version && !strings.Contains(st.Reason, "kill")
	})
	c := s.config
	c.Upgrade.SoakSec = 200 * time.Millisecond
	supervisor.UsualLimits(s.r.Supervisor)
	s.r.Configure(c)
	data, newest := n.Newer(t, '8')
	nginxtest.Install(t, n.Binary, data)
	s.r.Poke()
	s.r.waitFor(t, "the next upgrade", func(st supervisor.Status) bool {
		return st.Phase == supervisor.Idle && st.Running.Version == newest && st.Last.Result == supervisor.Upgraded
	})
	requireServer(t, n, newest)
	requireNoKeptSocket(t, n)
}

const (
	toKeep   = "to keep "
	toGoBack = "to go back to "
)

// bothWays plays a scene twice, and each time another way is taken out.
func bothWays(t *testing.T, scene func(*stage), short ...func(*supervisor.Options)) {
	t.Helper()
	for _, way := range []string{toKeep, toGoBack} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, false, short...)
			stop := lightTraffic(t, s.n)
			scene(s)
			s.out.Text = s.currentText()
			s.takes(s.out.Text, way)
			if way == toKeep {
				s.isOrdinary(s.successor, s.version)
			} else {
				s.isOrdinary(s.n.Master, s.n.Version)
			}
			stop()
		})
	}
}

// currentText is what status says while it is stuck. Pokes change nothing.
func (s *stage) currentText() string {
	s.t.Helper()
	s.r.Poke()
	text := ""
	s.r.waitFor(s.t, "status shows both masters and the ways", func(st supervisor.Status) bool {
		text = st.Reason
		return st.Pending && strings.HasPrefix(text, "stuck: ") && len(ways(text)) > 0 && len(st.Masters) == 2 &&
			st.Masters[0].PID == s.n.Master && st.Masters[1].PID == s.successor && st.Masters[1].Version == s.version
	})
	return text
}

// A frozen old master that somebody stopped takes no HUP.
func TestStuckReviving(t *testing.T) {
	t.Parallel()
	bothWays(t, func(s *stage) {
		answer := s.soaks()
		signal(s.t, s.n.Master, unix.SIGSTOP)
		s.turnsBack(answer)
	}, supervisor.ShortRevival)
}

// A person is half way: HUP waits until the old master goes on, and a second
// one would double its workers.
func TestStuckRevivingHalfway(t *testing.T) {
	t.Parallel()
	bothWays(t, func(s *stage) {
		answer := s.soaks()
		signal(s.t, s.n.Master, unix.SIGSTOP)
		s.turnsBack(answer)
		signal(s.t, s.n.Master, unix.SIGHUP)
		s.r.waitFor(s.t, "HUP is noticed", func(st supervisor.Status) bool {
			return strings.Contains(st.Reason, "kill -WINCH") && !strings.Contains(st.Reason, "kill -HUP")
		})
	}, supervisor.ShortRevival)
}

// waitsAtStart is the library of a successor that waits for a file.
const waitsAtStart = `
#include <stdlib.h>
#include <unistd.h>
__attribute__((constructor)) static void start(void) { while (getenv("NGINX") && access("%s", F_OK) != 0) usleep(5000); }
`

// WINCH waits until the old master goes on: HUP must not come with it.
func TestStuckRevivingUnshifted(t *testing.T) {
	t.Parallel()
	bothWays(t, func(s *stage) {
		_, s.version = s.n.Newer(s.t, '9')
		goOn := filepath.Join(s.n.Dir, "go-on")
		nginxtest.Install(s.t, s.n.Binary, badBuild(s.t, s.n, fmt.Sprintf(waitsAtStart, goOn)))
		answer := s.r.ask(s.t, request(supervisor.WaitDone))
		s.r.waitFor(s.t, "the successor starts", func(st supervisor.Status) bool {
			if st.Phase != supervisor.Starting || len(st.Masters) < 2 {
				return false
			}
			s.successor = st.Masters[1].PID
			return true
		})
		signal(s.t, s.n.Master, unix.SIGSTOP)
		writeFile(s.t, goOn, "")
		s.isStuck(<-answer)
	}, supervisor.ShortShift, supervisor.ShortRevival)
}

// An old worker that somebody stopped does not go.
func TestStuckRevivingWorker(t *testing.T) {
	t.Parallel()
	bothWays(t, func(s *stage) {
		var data []byte
		data, s.version = s.n.Newer(s.t, '9')
		nginxtest.Install(s.t, s.n.Binary, data)
		// What it has accepted waits for it, and so does the load.
		worker := processes(s.t, s.n.Master).With(nginx.RoleWorker)[0].PID
		signal(s.t, worker, unix.SIGSTOP)
		s.isStuck(<-s.r.ask(s.t, request(supervisor.WaitDone)))
		s.successor = s.n.PID(s.t)
	}, supervisor.ShortShift, supervisor.ShortRevival)
}

// The unit does not take back its main process, and there is no pid file from which
// it could be told.
func TestStuckReturning(t *testing.T) {
	t.Parallel()
	for way, tells := range map[string]string{toKeep: "daemon-reload", toGoBack: "reload nginx.service"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, true, supervisor.ShortUnit)
			s.r.stop()
			s.unit.change(func(st *systemd.State) { st.PIDFile = "" })
			s.start(s.r.store)
			s.r.upToDate(t)
			stop := lightTraffic(t, s.n)
			answer := s.soaks()
			s.unit.change(func(st *systemd.State) { st.MainPID = s.successor })
			s.turnsBack(answer)
			if got := s.takes(s.currentText(), way); got != tells {
				t.Errorf("systemctl %q, not %q", got, tells)
			}
			if way == toKeep {
				s.isOrdinary(s.successor, s.version)
			} else {
				s.isOrdinary(s.n.Master, s.n.Version)
			}
			stop()
		})
	}
}

// A successor that was told to go and is stopped cannot be kept. Its workers
// were killed in the end, so requests are lost.
func TestStuckDismissing(t *testing.T) {
	t.Parallel()
	s := newStage(t, false, supervisor.ShortDismissal)
	answer := s.soaks()
	signal(t, s.successor, unix.SIGSTOP)
	s.turnsBack(answer)
	text := s.currentText()
	if len(ways(text)) != 1 || strings.Contains(text, toKeep) {
		t.Errorf("there is one way, not %s", text)
	}
	stop := lightTraffic(t, s.n)
	s.takes(text, toGoBack)
	s.isOrdinary(s.n.Master, s.n.Version)
	stop()
}

// ignoresSignals is the library of a master that starts workers and then takes
// no notice of anything.
const ignoresSignals = `
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static int successor;
__attribute__((constructor)) static void start(void) { successor = getenv("NGINX") != NULL; }
int sigsuspend(const sigset_t *set) {
	do syscall(SYS_rt_sigsuspend, set, 8); while (successor);
	return -1;
}
`

// A successor that ignores QUIT can only be killed, and nobody serves worse for
// that.
func TestStuckDismissingDeaf(t *testing.T) {
	t.Parallel()
	s := newStage(t, false, supervisor.ShortDismissal)
	_, s.version = s.n.Newer(t, '9')
	nginxtest.Install(t, s.n.Binary, badBuild(t, s.n, ignoresSignals))
	answer := s.r.askUntil(t, request(supervisor.WaitDone), supervisor.Soaking)
	s.successor = s.n.PID(t)
	s.turnsBack(answer)
	text := s.currentText()
	if !strings.Contains(text, fmt.Sprintf("kill -KILL %d", s.successor)) {
		t.Errorf("it is not killed: %s", text)
	}
	stop := lightTraffic(t, s.n)
	s.takes(text, toGoBack)
	s.isOrdinary(s.n.Master, s.n.Version)
	stop()
}

// The successor goes, and the old master does not notice.
func TestStuckOldAlone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil func(*stage)
		way   string
	}{
		"stopped": {func(s *stage) {
			signal(s.t, s.successor, unix.SIGSTOP)
			q := request(supervisor.WaitDone)
			q.Action = supervisor.ActionRollback
			go func() { _, _ = s.r.Do(s.t.Context(), q) }()
			s.r.waitFor(s.t, "it is dismissed", func(st supervisor.Status) bool { return st.Phase == supervisor.Dismissing })
			signal(s.t, s.n.Master, unix.SIGSTOP)
			signal(s.t, s.successor, unix.SIGCONT)
		}, "to let it go on"},
		"pid file": {func(s *stage) {
			// A file that is gone would be written anew.
			if err := os.WriteFile(s.n.PIDPath()+nginx.OldBin, []byte("nobody\n"), 0o644); err != nil {
				s.t.Fatal(err)
			}
			q := request(supervisor.WaitDone)
			q.Action = supervisor.ActionRollback
			go func() { _, _ = s.r.Do(s.t.Context(), q) }()
		}, " and serves\nto give it its pid file again"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, false, supervisor.ShortDismissal)
			s.config.Upgrade.DismissTimeoutSec = 5 * time.Second // what it was asked is answered
			s.r.Configure(s.config)
			stop := lightTraffic(t, s.n)
			answer := s.soaks()
			tt.spoil(s)
			s.isStuck(<-answer)
			if strings.Contains(s.out.Text, "both masters") || strings.Contains(s.out.Text, fmt.Sprint(" ", s.successor, "\n")) {
				t.Errorf("the successor is gone: %s", s.out.Text)
			}
			_, way, _ := strings.Cut(tt.way, "\n")
			if way == "" {
				way = tt.way
			}
			s.takes(s.out.Text, way)
			s.isOrdinary(s.n.Master, s.n.Version)
			stop()
		})
	}
}

// systemd does not follow when the old master has gone.
func TestStuckRetiring(t *testing.T) {
	t.Parallel()
	s := newStage(t, true)
	s.config.Upgrade.SoakSec = 200 * time.Millisecond
	s.r.Configure(s.config)
	stop := lightTraffic(t, s.n)
	var data []byte
	data, s.version = s.n.Newer(t, '9')
	nginxtest.Install(t, s.n.Binary, data)
	s.isStuck(<-s.r.ask(t, request(supervisor.WaitDone)))
	s.successor = s.n.PID(t)
	if strings.Contains(s.out.Text, fmt.Sprint(s.n.Master)) || len(ways(s.out.Text)) != 1 {
		t.Errorf("the old master is gone: %s", s.out.Text)
	}
	if got := s.takes(s.out.Text, "to let systemd"); got != "reload nginx.service" {
		t.Errorf("systemctl %q", got)
	}
	s.isOrdinary(s.successor, s.version)
	stop()
}

// While two masters are there nothing is touched, whoever asks and whatever
// lands, by this supervisor and by the next one. Afterwards what landed is tried
// without being asked for.
func TestStuckIsLeftAlone(t *testing.T) {
	t.Parallel()
	for _, way := range []string{toKeep, toGoBack} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, false, supervisor.ShortRevival)
			stop := lightTraffic(t, s.n)
			answer := s.soaks()
			signal(t, s.n.Master, unix.SIGSTOP)
			s.turnsBack(answer)
			before := processes(t, s.successor)
			text := s.currentText()
			s.landed('7', 1)
			s.r.stop()
			s.start(s.r.store)
			if again := s.currentText(); again != text {
				t.Errorf("before: %s\nafter a restart: %s", text, again)
			}
			version := s.landed('6', 2)
			if now := processes(t, s.successor); !slices.Equal(now.With(nginx.RoleWorker), before.With(nginx.RoleWorker)) {
				t.Errorf("the successor was touched: %+v, %+v", before, now)
			}
			if told := s.log.count("MESSAGE_ID=" + supervisor.EventStuck.ID); told != 2 {
				t.Errorf("it was told %d times, not once by each supervisor", told)
			}
			c := s.config
			c.Upgrade.SoakSec = 200 * time.Millisecond
			s.r.Configure(c)
			s.takes(text, way)
			s.r.waitFor(t, "what landed is tried", func(st supervisor.Status) bool {
				return st.Phase == supervisor.Idle && st.Running.Version == version && st.Last.Result == supervisor.Upgraded && !st.Pending
			})
			requireServer(t, s.n, version)
			requireNoKeptSocket(t, s.n)
			stop()
		})
	}
}

// landed puts a new binary in place, pokes and asks, and expects to be told so.
func (s *stage) landed(digit byte, times int) (version string) {
	t := s.t
	t.Helper()
	data, version := s.n.Newer(t, digit)
	nginxtest.Install(t, s.n.Binary, data)
	s.r.Configure(s.config) // SIGHUP
	for range 3 {
		s.r.Poke()
		for _, action := range []supervisor.Action{supervisor.ActionUpgrade, supervisor.ActionRollback} {
			q := request(supervisor.WaitDone)
			q.Action, q.Force = action, true
			if out, err := s.r.Do(t.Context(), q); err != nil || out.Code != supervisor.ExitStuck || len(ways(out.Text)) != 2 {
				t.Errorf("%s: got %+v, %v", action, out, err)
			}
		}
	}
	if told := s.log.count("was replaced; nothing is tried"); told != times {
		t.Errorf("it was told %d times, not %d", told, times)
	}
	if got := history(t, s.r.store); len(got) != 1 {
		t.Errorf("records: %+v", got)
	}
	return version
}

// Without an old master the way back cannot be blocked any more, and without
// both nothing is left to choose.
func TestStuckLost(t *testing.T) {
	t.Parallel()
	for name, both := range map[string]bool{"old is gone": false, "both are gone": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, false)
			answer := s.soaks()
			signal(t, s.n.Master, unix.SIGSTOP)
			q := request(supervisor.WaitDone)
			q.Action = supervisor.ActionRollback
			go func() { _, _ = s.r.Do(t.Context(), q) }()
			s.r.waitFor(t, "it goes back", func(st supervisor.Status) bool { return st.Phase == supervisor.Reviving })
			if both {
				signal(t, s.successor, unix.SIGKILL)
			}
			signal(t, s.n.Master, unix.SIGKILL)
			out := <-answer
			if out.Result != supervisor.Lost || out.Code != supervisor.ExitFailure || regexp.MustCompile(fmt.Sprintf(`kill -.*\b(%d|%d)\b`, s.n.Master, s.successor)).MatchString(out.Text) {
				t.Errorf("got %+v", out)
			}
			if both != strings.Contains(out.Text, "start nginx") {
				t.Errorf("what is gone? %s", out.Text)
			}
			if !both {
				s.isOrdinary(s.successor, s.version)
			}
		})
	}
}

// The successor is gone before the old master was told to go: that is no dead
// end.
func TestRetiringWithoutSuccessor(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	s.soaks()
	s.r.stop()
	rec, err := s.r.store.LoadRunning("test")
	if err != nil || rec == nil {
		t.Fatalf("no record: %v", err)
	}
	rec.Phase = supervisor.Retiring // killed there, before the act
	if err := s.r.store.SaveRunning(rec); err != nil {
		t.Fatal(err)
	}
	signal(t, s.successor, unix.SIGKILL)
	gone(t, s.successor)
	s.start(s.r.store)
	s.r.waitFor(t, "it is rolled back", func(st supervisor.Status) bool { return st.Last != nil && st.Last.Result == supervisor.RolledBack })
	s.isOrdinary(s.n.Master, s.n.Version)
}
