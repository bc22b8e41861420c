package watch

import (
	"maps"
	"slices"
	"time"
)

// deafRescan is the period of the slow timer without inotify.
const deafRescan = 5 * time.Second

// newDeaf makes a watcher without inotify.
func newDeaf(o Options, why error) *Watcher {
	w := newWatcher(o, deaf{})
	w.rescan, w.stop = deafRescan, func() error { return nil }
	w.log.Warn("files are looked at only now and then", "every", w.rescan, "error", explain("files", why))
	return w
}

// deaf is a notifier without inotify.
type deaf map[string]bool

func (d deaf) Add(dir string) error {
	d[dir] = true
	return nil
}

func (d deaf) Remove(dir string) error {
	delete(d, dir)
	return nil
}

func (d deaf) WatchList() []string { return slices.Collect(maps.Keys(d)) }
