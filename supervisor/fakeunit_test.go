package supervisor_test

import (
	"context"
	"fmt"
	"sync"

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

func (u *fakeUnit) Reload(context.Context) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.reloads++
	return nil
}
