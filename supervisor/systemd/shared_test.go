package systemd

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godbus/dbus/v5"
)

// dials makes connections to nobody, and keeps them.
type dials []*Manager

func (d *dials) dial(context.Context) (*Manager, error) {
	near, _ := net.Pipe()
	c, err := dbus.NewConn(near)
	if err != nil {
		return nil, err
	}
	*d = append(*d, &Manager{conn: c})
	return (*d)[len(*d)-1], nil
}

func (d dials) open() (n int) {
	for _, m := range d {
		if m.conn.Connected() {
			n++
		}
	}
	return n
}

func TestSharedConnection(t *testing.T) {
	ended := errors.New("the connection has ended")
	fine := func(*Manager) error { return nil }
	for name, tt := range map[string]struct {
		do          func(t *testing.T, l *lender)
		dials, open int
	}{
		"two questions, one connection": {func(t *testing.T, l *lender) {
			checkError(t, l.ask(t.Context(), fine), "")
			checkError(t, l.ask(t.Context(), fine), "")
		}, 1, 1},
		"at the same time": {func(t *testing.T, l *lender) {
			checkError(t, l.ask(t.Context(), fine), "")
			checkError(t, l.ask(t.Context(), func(*Manager) error { return l.ask(t.Context(), fine) }), "")
		}, 1, 1},
		"both are the first": {func(t *testing.T, l *lender) {
			var both sync.WaitGroup
			met := make(chan struct{})
			both.Go(func() { checkError(t, l.ask(t.Context(), func(*Manager) error { <-met; return nil }), "") })
			synctest.Wait()
			l.mu.Lock()
			l.m = nil // as if the other had not come that far
			l.mu.Unlock()
			both.Go(func() { checkError(t, l.ask(t.Context(), func(*Manager) error { close(met); return nil }), "") })
			both.Wait()
		}, 2, 1},
		"nobody asks any more": {func(t *testing.T, l *lender) {
			checkError(t, l.ask(t.Context(), fine), "")
			time.Sleep(sharedIdle / 2)
			checkError(t, l.ask(t.Context(), fine), "")
			time.Sleep(sharedIdle - 1)
			checkError(t, l.ask(t.Context(), fine), "")
			time.Sleep(sharedIdle + 1)
		}, 1, 0},
		"a question that takes long": {func(t *testing.T, l *lender) {
			checkError(t, l.ask(t.Context(), fine), "")
			checkError(t, l.ask(t.Context(), func(m *Manager) error {
				time.Sleep(3 * sharedIdle)
				if !m.conn.Connected() {
					return ended
				}
				return nil
			}), "")
		}, 1, 1},
		"it has ended meanwhile": {func(t *testing.T, l *lender) {
			checkError(t, l.ask(t.Context(), fine), "")
			checkError(t, l.m.Close(), "")
			checkError(t, l.ask(t.Context(), fine), "")
		}, 2, 1},
		"it ends at the question": {func(t *testing.T, l *lender) {
			first := true
			checkError(t, l.ask(t.Context(), fine), "")
			checkError(t, l.ask(t.Context(), func(m *Manager) error {
				if first {
					first = false
					return &net.OpError{Op: "write", Err: ended}
				}
				return nil
			}), "")
		}, 2, 1},
		"each one ends": {func(t *testing.T, l *lender) {
			checkError(t, l.ask(t.Context(), fine), "")
			checkError(t, l.ask(t.Context(), func(m *Manager) error { m.Close(); return ended }), ended.Error())
		}, 2, 0},
		"an answer that is an error": {func(t *testing.T, l *lender) {
			for range 2 {
				checkError(t, l.ask(t.Context(), func(*Manager) error { return dbus.Error{Name: errNoUnit} }), errNoUnit)
			}
		}, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var made dials
				l := &lender{dial: made.dial}
				tt.do(t, l)
				if len(made) != tt.dials || made.open() != tt.open {
					t.Errorf("%d connections, of which %d are open; want %d, %d", len(made), made.open(), tt.dials, tt.open)
				}
				for _, m := range made {
					m.Close()
				}
			})
		})
	}
}

func TestSharedConnectionRefused(t *testing.T) {
	l := &lender{dial: func(context.Context) (*Manager, error) { return nil, errors.New("no systemd") }}
	checkError(t, l.ask(t.Context(), func(*Manager) error { t.Error("asked"); return nil }), "no systemd")
}
