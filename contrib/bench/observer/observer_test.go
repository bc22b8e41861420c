package observer_test

import (
	"context"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/bench/observer"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// An upgrade by hand whose successor the observer kills: old starts its workers
// again by itself.
func TestWatch(t *testing.T) {
	n := nginxtest.Start(t, traffic.Site{Unix: filepath.Join(t.TempDir(), "s")})
	data, _ := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)
	old, err := nginx.Open(n.PID(t))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	signalled := make(chan error, 1)
	account, err := observer.Watch(ctx, observer.Options{
		Master: old.PID, Socket: n.Unix, Quiet: true, KillAfter: 50 * time.Millisecond,
		Load: traffic.Config{Targets: []traffic.Target{{Kind: traffic.Unix, URL: "http://localhost/", Unix: n.Unix}}},
	}, func() {
		go func() {
			defer stop()
			signalled <- upgradeAndLose(ctx, old)
		}()
	})
	if err := <-signalled; err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if account.Workers != 2 || account.Server != "nginx/"+n.Version || account.Traffic == nil || account.Traffic.Total.OK == 0 {
		t.Errorf("%+v", account)
	}
	until := []observer.Event{
		{What: observer.Successor, Side: observer.New}, {What: observer.Forked, Side: observer.New}, {What: observer.Accepts, Side: observer.New},
		{What: observer.Shifted, Side: observer.Old}, {What: observer.Killed, Side: observer.New},
	}
	// Old may be as quick to notice the end as the observer is.
	inOrder(t, account.Events, append(slices.Clone(until), observer.Event{What: observer.Gone, Side: observer.New}))
	inOrder(t, account.Events, append(slices.Clone(until), observer.Event{What: observer.Accepts, Side: observer.Old}))
}

// upgradeAndLose sends USR2 and WINCH, and waits until old has new workers in the
// place of those that went.
func upgradeAndLose(ctx context.Context, old *nginx.Process) error {
	before, err := nginx.ReadTree(old.ID)
	if err != nil {
		return err
	}
	if err := old.Signal(unix.SIGUSR2); err != nil {
		return err
	}
	if err := until(ctx, func() bool { return successorServes(old.ID) }); err != nil {
		return err
	}
	if err := old.Signal(syscall.SIGWINCH); err != nil {
		return err
	}
	return until(ctx, func() bool {
		now, err := nginx.ReadTree(old.ID)
		return err == nil && len(now.With(nginx.RoleWorker)) == 2 && !slices.ContainsFunc(now.With(nginx.RoleWorker), func(c nginx.Child) bool {
			return slices.ContainsFunc(before.Children, func(b nginx.Child) bool { return b.ID == c.ID })
		})
	})
}

func successorServes(old nginx.ID) bool {
	tree, err := nginx.ReadTree(old)
	if err != nil || len(tree.Successors()) == 0 {
		return false
	}
	below, err := nginx.ReadTree(tree.Successors()[0].ID)
	return err == nil && len(below.With(nginx.RoleWorker)) == 2 && nginxtest.Serves(tree.Successors()[0].ID)
}

func until(ctx context.Context, holds func() bool) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

// inOrder checks that the events have the wanted ones among them, one after the
// other, at times that never go back.
func inOrder(t *testing.T, events, want []observer.Event) {
	t.Helper()
	at := time.Time{}
	for _, e := range events {
		if e.At.Before(at) {
			t.Errorf("%s comes before the one before it", e.What)
		}
		at = e.At
		if len(want) > 0 && e.What == want[0].What && e.Side == want[0].Side {
			want = want[1:]
		}
	}
	if len(want) > 0 {
		t.Errorf("no %s of %s, or too early: %+v", want[0].What, want[0].Side, events)
	}
}

func TestWatchNobody(t *testing.T) {
	_, err := observer.Watch(t.Context(), observer.Options{Master: 1 << 30}, func() { t.Error("ready") })
	if err == nil {
		t.Error("a process that is not there is watched")
	}
}
