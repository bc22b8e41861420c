package supervisor_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// What a library of a bad build does. NGINX is in the environment of a
// successor alone: -V and -t know nothing of it.
const (
	diesAtStart = `
#include <stdlib.h>
#include <unistd.h>
__attribute__((constructor)) static void start(void) { if (getenv("NGINX")) _exit(3); }
`
	crashesAtStart = `
#include <stdlib.h>
#include <sys/resource.h>
__attribute__((constructor)) static void start(void) {
	struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none);
	if (getenv("NGINX")) abort();
}
`
	hangsAtStart = `
#include <stdlib.h>
#include <unistd.h>
__attribute__((constructor)) static void start(void) { if (getenv("NGINX")) for (;;) pause(); }
`
	// Only workers of a master that runs as root call initgroups and setgid.
	workersCrash = `
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/types.h>
int initgroups(const char *user, gid_t group) {
	struct rlimit none = {0, 0};
	(void)user; (void)group;
	setrlimit(RLIMIT_CORE, &none);
	abort();
}
`
	workersHang = `
#include <sys/types.h>
#include <unistd.h>
int initgroups(const char *user, gid_t group) { (void)user; (void)group; for (;;) pause(); }
`
	workersRefuse = `
#include <errno.h>
#include <sys/types.h>
int setgid(gid_t group) { (void)group; errno = EPERM; return -1; }
`
)

// badBuild is a newer build that needs a library with the given source.
func badBuild(t *testing.T, n *nginxtest.Nginx, source string) []byte {
	t.Helper()
	patchelf, err := exec.LookPath("patchelf")
	if err != nil {
		nginxtest.Unable(t, "patchelf is not installed")
	}
	library := filepath.Join(n.Dir, "libbad.so")
	data, err := os.ReadFile(compile(t, source, "-shared", "-fPIC"))
	if err != nil {
		t.Fatal(err)
	}
	nginxtest.Install(t, library, data)
	build := filepath.Join(t.TempDir(), "nginx")
	if err := nginxtest.WriteProgram(t.Context(), build, newer(t, n)); err != nil {
		t.Fatal(err)
	}
	args := []string{"--add-needed", library, build} // a path is not searched for
	if out, err := exec.CommandContext(t.Context(), patchelf, args...).CombinedOutput(); err != nil {
		t.Fatalf("patchelf: %v\n%s", err, out)
	}
	if data, err = os.ReadFile(build); err != nil {
		t.Fatal(err)
	}
	return data
}

// TestBadSuccessors upgrades to builds that pass every check before USR2 and
// do not come up after it. What ends within a millisecond may be seen or not
// before it is gone, and the reason says what was seen.
func TestBadSuccessors(t *testing.T) {
	for name, tt := range map[string]struct {
		source string
		root   bool
		says   string // regular expression
	}{
		"dies at start":    {diesAtStart, false, `did not come up|successor (\d+ )?exited`},
		"crashes at start": {crashesAtStart, false, `did not come up|successor (\d+ )?(exited|died by SIGABRT)`},
		"hangs at start":   {hangsAtStart, false, `it took too long \(more than 2s\)`},
		"workers crash":    {workersCrash, true, `worker \d+ of \S+ (died by SIGABRT|exited)`},
		"workers hang":     {workersHang, true, `it took too long \(more than 2s\)`},
		// The master does not start a worker again that ended with this code.
		"workers refuse": {workersRefuse, true, `worker \d+ of \S+ exited|has no workers: .*setgid`},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.root && os.Geteuid() != 0 {
				nginxtest.Unable(t, "needs root: only its workers change their user")
			}
			n := start(t, traffic.Site{Unix: unixSocket(t)})
			stop := lightTraffic(t, n)
			before := processes(t, n.Master)
			c := quick()
			if strings.Contains(name, "hang") {
				c.Upgrade.StartTimeoutSec = 2 * time.Second
			}
			store := newStore(t)
			s := supervisor.New(instanceOf(n, c), options(t, store, c))
			nginxtest.Install(t, n.Binary, badBuild(t, n, tt.source))
			out := s.Once(t.Context(), request(supervisor.WaitDone))
			if out.Code != supervisor.ExitRolledBack || out.Result != supervisor.RolledBack || !regexp.MustCompile(tt.says).MatchString(out.Text) {
				t.Errorf("got %+v", out)
			}
			stop()
			rolledBack(t, n, store)
			// WINCH was never sent, so even the workers are the same.
			if diff := cmp.Diff(before, processes(t, n.Master)); diff != "" {
				t.Errorf("the processes are not the same: %s", diff)
			}
			// Condemned or not, whoever asks again is told so.
			if again := s.Once(t.Context(), request(supervisor.WaitDone)); again.Code != supervisor.ExitRolledBack {
				t.Errorf("asked again: got %+v", again)
			}
		})
	}
}

// rolledBack checks that the old master is alone and that nothing is left of
// the other.
func rolledBack(t *testing.T, n *nginxtest.Nginx, store supervisor.Store) {
	t.Helper()
	if masters := n.Masters(t); len(masters) != 1 || masters[0] != n.Master {
		t.Errorf("masters %v, want %d alone", masters, n.Master)
	}
	if pid := n.PID(t); pid != n.Master {
		t.Errorf("the pid file names %d, not %d", pid, n.Master)
	}
	for _, path := range []string{n.PIDPath() + ".oldbin", n.Unix + ".nginx-hotswap"} {
		if nginxtest.Exists(path) {
			t.Errorf("%s is left", path)
		}
	}
	records := history(t, store)
	if len(records) != 1 || records[0].Result != supervisor.RolledBack || records[0].Old.PID != n.Master {
		t.Errorf("records: %+v", records)
	}
	if r, err := store.LoadRunning("test"); r != nil || err != nil {
		t.Errorf("a cycle is left: %+v, %v", r, err)
	}
}

// TestBadWorkersLater lets a successor pass its start and crash afterwards:
// by then the old workers are gone and have to come back.
func TestBadWorkersLater(t *testing.T) {
	const crashesSoon = `
#include <stdlib.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <time.h>
static void end(union sigval v) { (void)v; abort(); }
int initgroups(const char *user, gid_t group) {
	struct rlimit none = {0, 0};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = end};
	struct itimerspec at = {.it_value = {.tv_nsec = 300000000}};
	timer_t timer;
	(void)user; (void)group;
	setrlimit(RLIMIT_CORE, &none);
	return timer_create(CLOCK_MONOTONIC, &event, &timer) || timer_settime(timer, 0, &at, NULL);
}
`
	if os.Geteuid() != 0 {
		nginxtest.Unable(t, "needs root: only its workers change their user")
	}
	n := start(t, traffic.Site{Unix: unixSocket(t)})
	c := quick()
	c.Upgrade.SoakSec = time.Minute
	store := newStore(t)
	s := supervisor.New(instanceOf(n, c), options(t, store, c))
	nginxtest.Install(t, n.Binary, badBuild(t, n, crashesSoon))
	out := s.Once(t.Context(), request(supervisor.WaitDone))
	if out.Code != supervisor.ExitRolledBack || !strings.Contains(out.Text, "died by SIGABRT") {
		t.Errorf("got %+v", out)
	}
	rolledBack(t, n, store)
	if tree := processes(t, n.Master); len(tree.Children) != 2 {
		t.Errorf("old has %+v, want two workers", tree.Children)
	}
	lightTraffic(t, n)()
}
