package supervisor

import (
	"sync"
	"testing"
	"time"
)

// ShortLimits are for tests of steps that come to no end.
func ShortLimits(o *Options) {
	o.limits = limits{shift: time.Second, hurry: 200 * time.Millisecond}
}

// StopAt makes cycles wait at the end of a phase, until the end of the test or
// until they are let go on. No other test may run meanwhile.
func StopAt(t *testing.T, at Phase) (reached <-chan struct{}, goOn func()) {
	stopped, going := make(chan struct{}), make(chan struct{})
	reach, goOn := sync.OnceFunc(func() { close(stopped) }), sync.OnceFunc(func() { close(going) })
	before := failpoint
	failpoint = func(phase Phase, point string) {
		if phase == at && point == afterCondition {
			reach()
			<-going
		}
	}
	t.Cleanup(func() { failpoint = before })
	t.Cleanup(goOn)
	return stopped, goOn
}
