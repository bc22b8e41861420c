package bus

import "sync"

// callsAtOnce is how many calls of one sender may wait for their answers, besides
// one for each instance: `nginx-hotswap upgrade` asks all of them at the same time.
// One that floods us gets errors, and others do not notice.
const callsAtOnce = 32

// limits counts the calls of each sender that are being answered.
type limits struct {
	mu    sync.Mutex
	calls map[string]int
}

func (l *limits) enter(sender string, most int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls[sender] >= most {
		return false
	}
	if l.calls == nil {
		l.calls = make(map[string]int)
	}
	l.calls[sender]++
	return true
}

func (l *limits) leave(sender string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls[sender]--; l.calls[sender] == 0 {
		delete(l.calls, sender)
	}
}
