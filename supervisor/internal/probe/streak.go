package probe

import "cmp"

// DefaultThreshold is how many failures in a row make a target bad.
const DefaultThreshold = 3

// Streak counts failures in a row, by target. The zero value is ready. It is
// for one goroutine.
type Streak struct {
	Threshold int // default DefaultThreshold
	failed    map[string]int
}

// Note takes one answer into account and reports whether the target is bad
// now. Answers that say nothing (see [Answer.Asked]) are not for it.
func (s *Streak) Note(target string, good bool) (bad bool) {
	if good {
		delete(s.failed, target)
		return false
	}
	if s.failed == nil {
		s.failed = make(map[string]int)
	}
	s.failed[target]++
	return s.failed[target] >= cmp.Or(s.Threshold, DefaultThreshold)
}

// Failing reports whether the last answer of any target was a failure: too
// early for a good verdict, perhaps too early for a bad one.
func (s *Streak) Failing() bool { return len(s.failed) > 0 }
