package main

import (
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/bench/observer"
)

// sight is what an observer saw of a way back. A moment that did not come is the
// zero time.
type sight struct {
	started  time.Time // the successor was there
	worker   time.Time // its first worker was
	sign     time.Time // it or a worker of it ended, or was killed
	shifted  time.Time // old's workers accepted no more
	accepts  time.Time // the first worker of old accepts that was started after the sign
	all      time.Time // as many as at the start do
	answered time.Time // the first answer of the old version since, after another one's or none
}

// see picks the moments out of an account.
func see(a *observer.Account) sight {
	var s sight
	revived := 0
	for _, e := range a.Events {
		switch {
		case e.What == observer.Successor:
			first(&s.started, e.At)
		case e.What == observer.Forked && e.Side == observer.New:
			first(&s.worker, e.At)
		case e.What == observer.Gone && e.Side == observer.New, e.What == observer.Killed:
			first(&s.sign, e.At)
		case e.What == observer.Shifted:
			first(&s.shifted, e.At)
		case s.sign.IsZero(): // what follows is of the way back
		case e.What == observer.Accepts && e.Side == observer.Old:
			first(&s.accepts, e.At)
			if revived++; revived == a.Workers {
				s.all = e.At
			}
		case e.What == observer.Answer && e.Text == a.Server && !s.shifted.IsZero(): // before, it never stopped
			first(&s.answered, e.At)
		}
	}
	return s
}

// first notes a moment unless there was one before.
func first(moment *time.Time, at time.Time) {
	if moment.IsZero() {
		*moment = at
	}
}
