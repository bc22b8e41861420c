package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/bench/observer"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// at is so many milliseconds after noon, and the zero time for 0.
func at(ms int) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return noon.Add(time.Duration(ms) * time.Millisecond)
}

func ev(ms int, what observer.What, side observer.Side, text string) observer.Event {
	return observer.Event{At: at(ms), What: what, Side: side, Text: text}
}

func TestSee(t *testing.T) {
	const older, newer = "nginx/1.22.1", "nginx/1.22.9"
	start := []observer.Event{
		ev(1, observer.Forked, observer.Old, ""), // the successor, before it is executed
		ev(2, observer.Successor, observer.New, ""), ev(3, observer.Forked, observer.New, ""),
		ev(4, observer.Answer, "", newer), ev(5, observer.Answer, "", older), ev(6, observer.Accepts, observer.New, ""),
	}
	tests := []struct {
		name  string
		after []observer.Event
		want  sight
	}{
		{"crash after the shift", []observer.Event{
			ev(10, observer.Shifted, observer.Old, ""), ev(11, observer.Answer, "", newer),
			ev(20, observer.Gone, observer.New, ""), ev(21, observer.Gone, observer.New, ""), ev(22, observer.Failed, "", ""),
			ev(30, observer.Accepts, observer.Old, ""), ev(31, observer.Answer, "", older), ev(32, observer.Accepts, observer.Old, ""),
			ev(33, observer.Answer, "", newer), ev(34, observer.Answer, "", older), ev(35, observer.Accepts, observer.Old, ""),
		}, sight{started: at(2), worker: at(3), shifted: at(10), sign: at(20), accepts: at(30), answered: at(31), all: at(32)}},
		{"kill", []observer.Event{
			ev(10, observer.Shifted, observer.Old, ""), ev(20, observer.Killed, observer.New, ""), ev(21, observer.Gone, observer.New, ""),
			ev(30, observer.Accepts, observer.Old, ""),
		}, sight{started: at(2), worker: at(3), shifted: at(10), sign: at(20), accepts: at(30)}},
		{"crash before the shift: old never stopped", []observer.Event{
			ev(7, observer.Gone, observer.New, ""), ev(8, observer.Failed, "", ""), ev(9, observer.Answer, "", older),
		}, sight{started: at(2), worker: at(3), sign: at(7)}},
	}
	for _, tt := range tests {
		a := &observer.Account{Workers: 2, Server: older, Events: append(start[:len(start):len(start)], tt.after...)}
		if diff := cmp.Diff(tt.want, see(a), cmp.AllowUnexported(sight{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
