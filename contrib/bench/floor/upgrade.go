package floor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// look is the pause between two looks at the process table.
const look = 100 * time.Microsecond

// Account says when an upgrade did what.
type Account struct {
	Successor int       `json:"successor"`
	Workers   int       `json:"workers"`
	USR2      time.Time `json:"usr2"`
	Ready     time.Time `json:"ready"` // the last new worker accepts; WINCH is sent
	Shifted   time.Time `json:"shifted"`
	Gone      time.Time `json:"gone"` // the old master
}

// Upgrade replaces a master by a successor with as many workers.
func Upgrade(ctx context.Context, master int) (*Account, error) {
	old, err := nginx.Open(master)
	if err != nil {
		return nil, err
	}
	defer old.Close()
	tree, err := nginx.ReadTree(old.ID)
	if err != nil {
		return nil, err
	}
	a := &Account{Workers: len(tree.With(nginx.RoleWorker))}
	if a.Workers == 0 {
		return nil, errors.New("the master has no worker that accepts")
	}
	a.USR2 = time.Now()
	if err := old.Signal(unix.SIGUSR2); err != nil {
		return nil, err
	}
	if err := a.awaitSuccessor(ctx, old.ID); err != nil {
		return nil, err
	}
	a.Ready = time.Now()
	if err := old.Signal(unix.SIGWINCH); err != nil {
		return nil, err
	}
	if err := until(ctx, "the old workers do not stop", func() bool { return count(old.ID, nginx.RoleWorker, nginx.RoleStarting) == 0 }); err != nil {
		return nil, err
	}
	a.Shifted = time.Now()
	if err := old.Signal(unix.SIGQUIT); err != nil && !errors.Is(err, nginx.ErrGone) {
		return nil, err
	}
	a.Gone, err = Gone(ctx, old)
	return a, err
}

// awaitSuccessor waits for as many workers as old has.
func (a *Account) awaitSuccessor(ctx context.Context, old nginx.ID) error {
	var successor nginx.ID
	return until(ctx, "the successor does not serve", func() bool {
		if a.Successor == 0 {
			tree, err := nginx.ReadTree(old)
			if err != nil || len(tree.Successors()) == 0 {
				return false
			}
			successor = tree.Successors()[0].ID
			a.Successor = successor.PID
		}
		return count(successor, nginx.RoleWorker) == a.Workers
	})
}

func count(master nginx.ID, roles ...nginx.Role) int {
	tree, err := nginx.ReadTree(master)
	if err != nil {
		return 0
	}
	return len(tree.With(roles...))
}

// Gone waits for the end of a process and returns its time.
func Gone(ctx context.Context, p *nginx.Process) (time.Time, error) {
	select {
	case <-p.Exited():
		return time.Now(), nil
	case <-ctx.Done():
		return time.Time{}, fmt.Errorf("process %d does not end: %w", p.PID, context.Cause(ctx))
	}
}

func until(ctx context.Context, otherwise string, holds func() bool) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", otherwise, context.Cause(ctx))
		case <-tick.C:
		}
	}
	return nil
}
