package supervisor

import "sync"

// Line bounds the number of instances between USR2 and their verdict: for that
// time each has two generations that both may grow. It is shared by instances.
type Line struct {
	mu            sync.Mutex
	places, taken int
	moved         chan struct{} // closed when there may be a place for those who wait
}

// NewLine has room for n at a time.
func NewLine(n int) *Line { return &Line{places: n, moved: make(chan struct{})} }

// Resize makes room for n at a time. Those who have a place keep it.
func (l *Line) Resize(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.places = n
	l.move()
}

// join takes a place and reports true, or returns a channel that is closed when
// it is worth another try.
func (l *Line) join() (bool, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken >= l.places {
		return false, l.moved
	}
	l.taken++
	return true, nil
}

// take takes a place, also where there is none: two generations run already.
func (l *Line) take() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken++
}

func (l *Line) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken--
	l.move()
}

func (l *Line) move() {
	close(l.moved)
	l.moved = make(chan struct{})
}
