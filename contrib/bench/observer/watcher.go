package observer

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

const (
	// look is the interval of the looks at the processes.
	look = 500 * time.Microsecond
	// reapLimit is how long a master may take to reap a worker; until then the
	// kernel does not tell how it ended.
	reapLimit = 50 * time.Millisecond
)

// watcher reads the processes below the masters.
type watcher struct {
	*observer
	old       nginx.ID
	successor *nginx.Process    // the last one
	executed  map[nginx.ID]bool // a process is seen as forked before it is
	held      []*nginx.Process
	seen      map[nginx.ID]bool // processes
	accepts   map[nginx.ID]bool // workers that have said so
	isShifted bool
	isGone    bool // old
	kill      <-chan time.Time
}

func newWatcher(o *observer, old nginx.ID) (*watcher, error) {
	tree, err := nginx.ReadTree(old)
	if err != nil {
		return nil, err
	}
	w := &watcher{observer: o, old: old, executed: map[nginx.ID]bool{}, seen: map[nginx.ID]bool{}, accepts: map[nginx.ID]bool{}}
	for _, child := range tree.With(nginx.RoleWorker) {
		w.seen[child.ID], w.accepts[child.ID] = true, true
		o.account.Workers++
	}
	if o.account.Workers == 0 {
		return nil, errors.New("the old master has no worker that accepts")
	}
	return w, nil
}

func (w *watcher) run(ctx context.Context) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			w.look(ctx) // what is there at the end is seen for certain
			return nil
		case <-w.kill:
			w.kill = nil
			w.tell(Killed, New, w.successor.PID, "")
			if err := w.successor.Signal(unix.SIGKILL); err != nil {
				return err
			}
		case <-tick.C:
			w.look(ctx)
		}
	}
}

func (w *watcher) look(ctx context.Context) {
	tree, err := nginx.ReadTree(w.old)
	if err != nil && !w.isGone { // so the upgrade has no way back
		w.isGone = true
		w.tell(Gone, Old, w.old.PID, "")
	}
	for _, child := range tree.Successors() {
		if w.executed[child.ID] {
			continue
		}
		w.executed[child.ID] = true
		w.tell(Successor, New, child.PID, "")
		if p := w.hold(ctx, child.ID); p != nil {
			w.successor = p
		}
	}
	w.workers(ctx, tree, Old)
	if w.successor == nil {
		return
	}
	if below, err := nginx.ReadTree(w.successor.ID); err == nil { // else it is gone, which its pidfd tells
		w.workers(ctx, below, New)
	}
	if !w.isShifted && len(tree.With(nginx.RoleWorker, nginx.RoleStarting)) == 0 {
		w.isShifted = true
		w.tell(Shifted, Old, w.old.PID, "")
		close(w.shifted)
		if w.KillAfter > 0 {
			w.kill = time.After(w.KillAfter)
		}
	}
}

// workers tells of workers that are new, or accept since a moment ago.
func (w *watcher) workers(ctx context.Context, tree nginx.Tree, side Side) {
	for _, child := range tree.With(nginx.RoleStarting, nginx.RoleWorker) {
		if !w.seen[child.ID] {
			w.seen[child.ID] = true
			w.tell(Forked, side, child.PID, "")
			if side == New {
				w.hold(ctx, child.ID)
			}
		}
		if child.Role == nginx.RoleWorker && !w.accepts[child.ID] {
			w.accepts[child.ID] = true
			w.tell(Accepts, side, child.PID, "")
		}
	}
}

// hold waits for the end of the successor or of a worker of it. It returns nil for
// one that is gone already.
func (w *watcher) hold(ctx context.Context, id nginx.ID) *nginx.Process {
	p, err := nginx.OpenID(id)
	if err != nil {
		w.tell(Gone, New, id.PID, err.Error())
		return nil
	}
	w.held = append(w.held, p)
	w.background.Go(func() {
		select {
		case <-p.Exited():
		case <-ctx.Done():
			if p.Alive() {
				return
			}
		}
		at := time.Now()
		w.events <- Event{at, Gone, New, id.PID, p.ExitWithin(reapLimit).String()}
	})
	return p
}

func (w *watcher) release() {
	for _, p := range w.held {
		p.Close()
	}
}
