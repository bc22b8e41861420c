package systemd

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// sharedIdle is how long the shared connection outlives its last use. Within that
// a cycle asks again; and over PID 1's private socket the signals of all units
// arrive, which must not wake an idle daemon.
const sharedIdle = time.Second

// shared is the connection for questions to PID 1. A new one takes PID 1 and us
// more than a millisecond, a question on it a third of that.
var shared lender

// lender lends one connection to several at a time, and closes it when nobody
// has wanted it for a while.
type lender struct {
	dial func(context.Context) (*Manager, error) // nil is Dial

	mu    sync.Mutex
	m     *Manager
	users int
	idle  *time.Timer
}

// ask puts a question, which must change nothing: when a connection that was used
// before has ended, as at systemctl daemon-reexec, it is put again on a new one.
func (l *lender) ask(ctx context.Context, question func(*Manager) error) error {
	if m := l.borrow(); m != nil {
		err := question(m)
		if !m.broken(err) {
			l.giveBack(m)
			return err
		}
		l.discard(m)
	}
	m, err := l.open(ctx)
	if err != nil {
		return err
	}
	err = question(m)
	if m.broken(err) {
		l.discard(m)
		return err
	}
	l.giveBack(m)
	return err
}

// broken reports whether an error came of the connection's end.
func (m *Manager) broken(err error) bool {
	if err == nil {
		return false
	}
	_, network := errors.AsType[*net.OpError](err)
	return network || !m.conn.Connected()
}

// borrow returns the connection, or nil when there is none that works.
func (l *lender) borrow() *Manager {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.m == nil || !l.m.conn.Connected() {
		return nil
	}
	l.users++
	return l.m
}

// open makes a connection, and lends it unless another has come meanwhile.
func (l *lender) open(ctx context.Context) (*Manager, error) {
	dial := l.dial
	if dial == nil {
		dial = Dial
	}
	m, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.m == nil || !l.m.conn.Connected() {
		l.m, l.users = m, 1
	}
	return m, nil
}

// giveBack ends the use of a connection. One that is not lent ends at once.
func (l *lender) giveBack(m *Manager) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m != l.m {
		m.Close()
		return
	}
	l.users--
	if l.users > 0 {
		return
	}
	if l.idle == nil {
		l.idle = time.AfterFunc(sharedIdle, l.closeIdle)
		return
	}
	l.idle.Reset(sharedIdle)
}

// discard closes a connection that is of no use any more.
func (l *lender) discard(m *Manager) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m == l.m {
		l.m = nil
	}
	m.Close()
}

// closeIdle closes a connection that nobody uses.
func (l *lender) closeIdle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.m != nil && l.users == 0 {
		l.m.Close()
		l.m = nil
	}
}
