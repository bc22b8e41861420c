package supervisor

import (
	"sync"
	"testing"
	"time"
)

// ShortShift and the others are for tests in which that step comes to no end: it
// is not to apply to steps that are meant to succeed.
func ShortShift(o *Options)     { o.limits.shift = time.Second }
func ShortRevival(o *Options)   { o.limits.revival = 2 * time.Second }
func ShortUnit(o *Options)      { o.limits.unit = time.Second }
func ShortDismissal(o *Options) { o.limits.hurry = 200 * time.Millisecond }
func ShortLingering(o *Options) { o.limits.linger = 200 * time.Millisecond }

// UsualLimits ends that for the cycles after the next Configure. None may run.
func UsualLimits(s *Supervisor) { s.limits = limits{} }

// StopAt makes cycles wait at the end of a phase, until the end of the test or
// until they are let go on. No other test may run meanwhile.
func StopAt(t *testing.T, at Phase) (reached <-chan struct{}, goOn func()) {
	return stopAt(t, at, afterCondition)
}

// StopIn does the same when a phase has begun and nothing was done in it.
func StopIn(t *testing.T, at Phase) (reached <-chan struct{}, goOn func()) {
	return stopAt(t, at, beforeAct)
}

func stopAt(t *testing.T, at Phase, where string) (reached <-chan struct{}, goOn func()) {
	stopped, going := make(chan struct{}), make(chan struct{})
	reach, goOn := sync.OnceFunc(func() { close(stopped) }), sync.OnceFunc(func() { close(going) })
	before := failpoint
	failpoint = func(phase Phase, point string) {
		if phase == at && point == where {
			reach()
			<-going
		}
	}
	t.Cleanup(func() { failpoint = before })
	t.Cleanup(goOn)
	return stopped, goOn
}
