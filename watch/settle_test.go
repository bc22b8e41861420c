package watch

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/google/go-cmp/cmp"
)

// paper is a notifier that watches nothing.
type paper struct {
	err error

	mu   sync.Mutex
	dirs []string
}

func (p *paper) Add(dir string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.dirs = append(p.dirs, dir)
	}
	return p.err
}

func (p *paper) Remove(dir string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dirs = slices.DeleteFunc(p.dirs, func(d string) bool { return d == dir })
	return nil
}

func (p *paper) WatchList() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(slices.Values(p.dirs))
}

// bench is a watcher in a synctest bubble: its files are real, its events come from the test and its time is synthetic.
type bench struct {
	*Watcher
	t      *testing.T
	paper  *paper
	file   string
	events chan fsnotify.Event
	errs   chan error
}

// inBubble runs test with a watcher that follows one file, Settle 3 s, Rescan 60 s and WriterLimit 10 min.
func inBubble(t *testing.T, test func(b *bench)) {
	file := filepath.Join(realDir(t), "nginx")
	write(t, file, "old")
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, paper: &paper{}, file: file, events: make(chan fsnotify.Event), errs: make(chan error)}
		b.Watcher = newWatcher(Options{}, b.paper)
		b.Watcher.events, b.Watcher.errs, b.stop = b.events, b.errs, func() error { return nil }
		ctx, cancel := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer cancel()
		b.Follow(file)
		go func() { _ = b.Run(ctx) }()
		synctest.Wait()
		test(b)
	})
}

// written says that the file was written to, which is also done if text is not empty.
func (b *bench) written(text string) {
	b.t.Helper()
	if text != "" {
		write(b.t, b.file, text)
	}
	b.events <- fsnotify.Event{Name: b.file, Op: fsnotify.Write}
}

// expect waits for a poke and checks how long that took.
func (b *bench) expect(reason Reason, after time.Duration) {
	b.t.Helper()
	start := time.Now()
	select {
	case p := <-b.Pokes():
		if diff := cmp.Diff(Poke{b.file, reason}, p); diff != "" {
			b.t.Errorf("poke (-want +got):\n%s", diff)
		}
		if took := time.Since(start); took != after {
			b.t.Errorf("poked after %v, want %v", took, after)
		}
	case <-time.After(24 * time.Hour):
		b.t.Error("no poke within a day")
	}
}

// silent sees that no poke comes for a while.
func (b *bench) silent(d time.Duration) {
	b.t.Helper()
	select {
	case p := <-b.Pokes():
		b.t.Errorf("poke %v, want none", p)
	case <-time.After(d):
	}
}

// hold opens the file for writing and returns what closes it.
func (b *bench) hold() func() {
	b.t.Helper()
	f, err := os.OpenFile(b.file, os.O_WRONLY, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	return func() { _ = f.Close() }
}

func TestQuietRestartsWithEveryEvent(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.written("new")
		for range 10 {
			b.silent(2 * time.Second)
			b.written("")
		}
		b.expect(Changed, 3*time.Second)
		b.silent(time.Hour)
	})
}

func TestEventWithoutChange(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.written("")
		b.silent(time.Hour)
	})
}

func TestOverflowPokesWithoutChange(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.errs <- fsnotify.ErrEventOverflow
		b.expect(Overflow, 3*time.Second)
		b.silent(time.Hour)
	})
}

func TestOverflowOutranksChange(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.errs <- fsnotify.ErrEventOverflow
		b.written("new")
		b.expect(Overflow, 3*time.Second)
		b.silent(time.Hour)
	})
}

func TestLostWatchIsSetAgain(t *testing.T) {
	inBubble(t, func(b *bench) {
		before := b.paper.WatchList()
		_ = b.paper.Remove(filepath.Dir(b.file)) // what an unmount does, without a word
		b.expect(WatchLost, 63*time.Second)
		if diff := cmp.Diff(before, b.paper.WatchList()); diff != "" {
			t.Errorf("watches (-want +got):\n%s", diff)
		}
		b.silent(time.Hour)
	})
}

func TestSlowTimerFindsWhatNoEventTold(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.silent(10*time.Minute + time.Second)
		write(t, b.file, "new")
		b.expect(Rescan, 59*time.Second+3*time.Second)
		b.silent(time.Hour)
	})
}

func TestSlowTimerWaitsForSilentWriter(t *testing.T) {
	inBubble(t, func(b *bench) {
		write(t, b.file, "new")
		b.silent(62 * time.Second)
		write(t, b.file, "newer") // a second before the look
		b.expect(Rescan, 4*time.Second)
		b.silent(time.Hour)
	})
}

func TestWriterIsWaitedFor(t *testing.T) {
	needLeases(t)
	inBubble(t, func(b *bench) {
		release := b.hold()
		b.written("")
		b.silent(time.Minute)
		b.written("new")
		b.silent(time.Minute)
		release()
		start := time.Now()
		<-b.Pokes()
		if took := time.Since(start); took > writerPauseMax {
			t.Errorf("poked %v after the writer's end, want at most %v", took, writerPauseMax)
		}
		b.silent(time.Hour)
	})
}

func TestWriterThatStays(t *testing.T) {
	needLeases(t)
	inBubble(t, func(b *bench) {
		release := b.hold()
		b.written("new")
		b.expect(WriterStays, 10*time.Minute)
		b.silent(time.Hour) // said once
		release()
		<-b.Pokes() // and its end is news, though the file has not changed since
		b.silent(time.Hour)
	})
}

func TestEndlessEvents(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.written("new")
		for range 299 {
			b.silent(2 * time.Second)
			b.written("")
		}
		b.expect(WriterStays, 2*time.Second)
		b.expect(Changed, time.Second)
		b.silent(time.Hour)
	})
}

func TestSlowConsumerGetsTheLatest(t *testing.T) {
	inBubble(t, func(b *bench) {
		for _, text := range []string{"one", "three", "fifteen"} {
			b.written(text)
			time.Sleep(10 * time.Second)
		}
		b.errs <- fsnotify.ErrEventOverflow
		time.Sleep(10 * time.Second)
		b.expect(Overflow, 0)
		b.silent(time.Hour)
	})
}

func TestUnfollowedPathIsForgotten(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.written("new")
		time.Sleep(10 * time.Second) // a poke waits
		b.Follow()
		synctest.Wait()
		b.silent(time.Hour)
		if dirs := b.paper.WatchList(); len(dirs) != 0 {
			t.Errorf("still watching %v", dirs)
		}
	})
}

func TestFollowKeepsTheEarlierState(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.Follow()
		synctest.Wait()
		b.Follow(b.file)
		write(t, b.file, "new")
		b.Follow(b.file) // perhaps before Run has taken the other
		if p := <-b.Pokes(); p != (Poke{b.file, Changed}) {
			t.Errorf("poke %v", p)
		}
		b.silent(time.Hour)
	})
}

func TestEndOfInotifyLeavesTheTimer(t *testing.T) {
	inBubble(t, func(b *bench) {
		close(b.events)
		close(b.errs)
		synctest.Wait()
		write(t, b.file, "new")
		b.expect(Rescan, 63*time.Second)
	})
}
