package watch

import "slices"

// Reason says what made a [Poke] necessary. Its text is stable and may be logged or stored.
type Reason string

// The reasons. When several apply to one poke, the first of WriterStays, Overflow, WatchLost, Changed, Rescan is given.
const (
	// Changed: events came, and the file's stamp is not that of the last poke.
	Changed Reason = "changed"
	// Overflow: the kernel dropped events (inotify(7), IN_Q_OVERFLOW), anything may have changed.
	Overflow Reason = "overflow"
	// WatchLost: a directory on the way was removed, replaced or unmounted. It is watched again by path.
	WatchLost Reason = "watch-lost"
	// Rescan: the slow timer found a stamp that no event had told of.
	Rescan Reason = "rescan"
	// WriterStays: the file is still being written after [Options.WriterLimit]. Another poke follows when that ends.
	WriterStays Reason = "writer-stays"
)

// reasonRank orders the reasons that an ongoing wait may have; the higher one is kept.
var reasonRank = map[Reason]int{Rescan: 1, Changed: 2, WatchLost: 3, Overflow: 4}

// outranks reports whether r replaces other as the reason of a wait.
func (r Reason) outranks(other Reason) bool { return reasonRank[r] > reasonRank[other] }

// unconditional reports whether a poke is due even if the stamp has not changed: events may be missing.
func (r Reason) unconditional() bool { return r == Overflow || r == WatchLost }

// Poke asks to look at a path again.
type Poke struct {
	// Path is the path as it was given to [Watcher.Follow].
	Path string
	// Reason is why; it is meant for logs, not for decisions.
	Reason Reason
}

// queue holds the pokes that nobody has taken yet, at most one per path, in the order in which the paths first came.
type queue []Poke

// put adds p. A poke for the same path that still waits is replaced in its place.
func (q *queue) put(p Poke) {
	if i := slices.IndexFunc(*q, func(o Poke) bool { return o.Path == p.Path }); i >= 0 {
		(*q)[i] = p
		return
	}
	*q = append(*q, p)
}

// keep drops the pokes of paths for which followed is false.
func (q *queue) keep(followed func(path string) bool) {
	*q = slices.DeleteFunc(*q, func(p Poke) bool { return !followed(p.Path) })
}
