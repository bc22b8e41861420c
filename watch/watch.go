package watch

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
)

// surveys bounds how often trails are walked again because directories were made or moved meanwhile. Each further round
// needs another change within microseconds, and that change is an event of its own.
const surveys = 8

// Watcher follows files and gives pokes. Make one with [New], and call its Run: only Run works, and only its end gives the
// inotify instance back.
type Watcher struct {
	events <-chan fsnotify.Event
	errs   <-chan error
	stop   func() error

	pokes   chan Poke
	follows chan map[string]Stamp // the latest set that Run has not taken yet, with the stamps at the time of Follow
	started atomic.Bool
	rescan  time.Duration
	log     *slog.Logger

	// What follows belongs to the goroutine of Run.
	settler *settler
	dirs    *dirs
	trails  map[string]trail // of every followed path
	ready   queue
}

// New returns a watcher that follows nothing yet. It takes one inotify instance, of which a user has 128 by default. If
// there is none left, it says so with the sysctl, and the slow timer, which is not so slow then, does all the work.
func New(o Options) *Watcher {
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		return newDeaf(o, err)
	}
	w := newWatcher(o, fs)
	w.events, w.errs, w.stop = fs.Events, fs.Errors, fs.Close
	return w
}

// newWatcher makes the parts that do not need inotify.
func newWatcher(o Options, n notifier) *Watcher {
	log := cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	w := &Watcher{
		pokes:   make(chan Poke),
		follows: make(chan map[string]Stamp, 1),
		rescan:  cmp.Or(o.Rescan, DefaultRescan),
		log:     log,
		dirs:    newDirs(n, log),
		trails:  map[string]trail{},
	}
	settle := max(0, cmp.Or(o.Settle, DefaultSettle))
	w.settler = newSettler(settle, max(settle, cmp.Or(o.WriterLimit, DefaultWriterLimit)), w.look)
	return w
}

// Pokes returns the channel of pokes. It is never closed. Nothing is lost if it is read slowly: at most one poke per path
// waits, with the latest reason.
func (w *Watcher) Pokes() <-chan Poke { return w.pokes }

// Follow replaces the set of followed paths. It may be called from any goroutine, before Run and while it runs, and does not
// wait for it. A change after Follow has returned is poked; the state that Follow finds is not, so follow first and look
// then. Paths may be missing, as may directories on the way. They name files; below a followed directory nothing is seen.
// Paths that were followed before go on undisturbed.
func (w *Watcher) Follow(paths ...string) {
	set := make(map[string]Stamp, len(paths))
	for _, p := range paths {
		set[p], _ = StampOf(p) // a missing file has a stamp too
	}
	for {
		select {
		case w.follows <- set:
			return
		default:
		}
		select {
		case untaken := <-w.follows:
			for p, earlier := range untaken {
				if _, ok := set[p]; ok {
					set[p] = earlier
				}
			}
		default:
		}
	}
}

// Run watches until ctx ends, and then returns nil. Failures of inotify do not end it, they are logged, and the slow timer
// goes on. It may be called once; a second call is an error.
func (w *Watcher) Run(ctx context.Context) error {
	if w.started.Swap(true) {
		return errors.New("cannot run a watcher twice, make a new one")
	}
	defer func() { _ = w.stop() }()

	var rescan <-chan time.Time
	if w.rescan > 0 {
		t := time.NewTicker(w.rescan)
		defer t.Stop()
		rescan = t.C
	}
	for w.turn(ctx, rescan) {
	}
	return nil
}

// turn waits for one thing to happen and deals with it. It is false once ctx has ended.
func (w *Watcher) turn(ctx context.Context, rescan <-chan time.Time) bool {
	var pokes chan Poke // nil, which no send ever leaves through, while there is nothing to give
	var next Poke
	if len(w.ready) > 0 {
		pokes, next = w.pokes, w.ready[0]
	}
	select {
	case <-ctx.Done():
		return false
	case set := <-w.follows:
		w.replace(set)
	case ev, ok := <-w.events:
		w.event(ev, ok)
	case err, ok := <-w.errs:
		w.trouble(err, ok)
	case <-rescan:
		w.survey(Rescan)
	case <-w.settler.timer.C:
		w.settled()
	case pokes <- next:
		w.ready = w.ready[1:]
	}
	return true
}

// replace takes a new set of paths over.
func (w *Watcher) replace(set map[string]Stamp) {
	w.settler.follow(set)
	w.trails = make(map[string]trail, len(set))
	for path := range set {
		w.trails[path] = trail{}
	}
	w.ready.keep(func(path string) bool { _, ok := set[path]; return ok })
	w.survey(Changed)
}

// event deals with one event of inotify.
func (w *Watcher) event(ev fsnotify.Event, ok bool) {
	if !ok {
		w.events = nil
		w.log.Error("inotify has ended, only the slow timer looks after files", "rescan", w.rescan)
		return
	}
	paths := w.dirs.concerned(ev)
	for _, path := range paths {
		w.settler.touch(path, Changed)
	}
	// Writing and chmod leave the way to the file as it was.
	if len(paths) > 0 && ev.Op&^(fsnotify.Write|fsnotify.Chmod) != 0 {
		w.survey(Changed)
	}
}

// trouble deals with an error of inotify: whatever it is, events may be missing.
func (w *Watcher) trouble(err error, ok bool) {
	if !ok {
		w.errs = nil
		return
	}
	w.log.Warn("inotify lost events, looking at every file", "error", err)
	for path := range w.trails {
		w.settler.touch(path, Overflow)
	}
	w.survey(Overflow)
}

// survey walks to every file anew, sets the watches that are missing, and starts a wait for each file that differs from what
// its last poke was about.
func (w *Watcher) survey(reason Reason) {
	for range surveys {
		for path := range w.trails {
			w.trails[path], _ = walk(path) // a trail that ends early is what there is to watch
		}
		lost, added := w.dirs.arm(w.trails)
		for _, path := range lost {
			w.settler.touch(path, WatchLost)
		}
		if !added {
			break
		}
	}
	for path, t := range w.trails {
		w.settler.compare(path, t.stamp, reason)
	}
}

// settled collects the pokes of the paths whose wait is over.
func (w *Watcher) settled() {
	for _, p := range w.settler.ripe() {
		w.log.Debug("poke", "path", p.Path, "reason", string(p.Reason))
		w.ready.put(p)
	}
}

// look is the settler's view of the disk.
func (w *Watcher) look(path string) (Stamp, bool) {
	t, err := walk(path)
	if err != nil {
		return t.stamp, false
	}
	busy, err := writing(t.file)
	if err != nil {
		w.log.Debug("no answer about writers", "path", path, "error", err)
	}
	return t.stamp, busy
}
