package supervisor_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// fakeUnit is systemd's view of one unit, as a test wants it to be; the
// processes that it speaks of are real.
type fakeUnit struct {
	mu      sync.Mutex
	state   systemd.State
	reloads int
	// stale is taken for the main process when it is no more, until a reload:
	// as if the pid file had been read in its last moment.
	stale int
}

func newFakeUnit(name, pidFile string, mainPID int) *fakeUnit {
	return &fakeUnit{state: systemd.State{Name: name, ActiveState: "active", Type: "forking", PIDFile: pidFile,
		NotifyAccess: "main", MainPID: mainPID}}
}

func (u *fakeUnit) Unit(string) supervisor.Unit { return u }

func (u *fakeUnit) UnitOf(context.Context, int) (string, error) { return u.Name(), nil }

func (u *fakeUnit) Name() string { return u.state.Name }

func (u *fakeUnit) change(f func(*systemd.State)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f(&u.state)
}

func (u *fakeUnit) State(context.Context) (systemd.State, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.stale != 0 && !nginxtest.Exists(fmt.Sprintf("/proc/%d", u.stale)) {
		u.state.MainPID = u.stale
	}
	return u.state, nil
}

// Run runs the command as it is: a sandbox is no matter of these tests.
func (u *fakeUnit) Run(ctx context.Context, c systemd.Command) (systemd.Result, error) {
	argv := append([]string{c.Argv[0]}, c.Argv[2:]...) // TestConfig puts -t back
	r, err := nginx.TestConfig(ctx, argv, c.Dir)
	exit := 0
	if !r.OK {
		exit = 1
	}
	return systemd.Result{Exit: exit, Output: []byte(r.Output)}, err
}

// WaitMainPID follows at once, as systemd does when it reads the pid file.
func (u *fakeUnit) WaitMainPID(_ context.Context, pid int) error {
	u.change(func(s *systemd.State) { s.MainPID = pid })
	return nil
}

func (u *fakeUnit) Notify(_ int, lines ...string) error {
	u.change(func(s *systemd.State) {
		for _, line := range lines {
			// A line that is no MAINPID= changes nothing here.
			_, _ = fmt.Sscanf(line, "MAINPID=%d", &s.MainPID)
		}
	})
	return nil
}

// ReloadUnit reads the pid file, as systemd does at the end of a reload.
func (u *fakeUnit) ReloadUnit(context.Context) error {
	data, err := os.ReadFile(u.state.PIDFile)
	if err != nil {
		return err
	}
	u.change(func(s *systemd.State) {
		u.stale, s.Changed = 0, time.Now()
		_, err = fmt.Sscan(string(data), &s.MainPID)
	})
	return err
}

func (u *fakeUnit) Reload(context.Context) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.reloads++
	return nil
}
