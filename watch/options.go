package watch

import (
	"log/slog"
	"time"
)

// The defaults of [Options].
const (
	DefaultSettle      = 3 * time.Second
	DefaultRescan      = time.Minute
	DefaultWriterLimit = 10 * time.Minute
)

// Options configure a [Watcher]. In each of the durations 0 means the default.
type Options struct {
	// Settle is how long a path must be without events before it is poked. Below 0 there is no such wait.
	Settle time.Duration
	// Rescan is the period of the slow timer, which finds what inotify does not tell. Below 0 it is off, but not where there is no
	// inotify.
	Rescan time.Duration
	// WriterLimit is how long a path that keeps being written may delay its poke, and at least Settle.
	WriterLimit time.Duration
	// Log receives lost watches and limits of inotify; nil discards them.
	Log *slog.Logger
}
