package probe

import (
	"strings"
	"testing"
)

func TestStreak(t *testing.T) {
	tests := map[string]struct {
		threshold int
		events    string // target and + or -
		last      bool
		failing   bool
	}{
		"nothing":       {3, "", false, false},
		"good":          {3, "a+ a+", false, false},
		"two":           {3, "a- a-", false, true},
		"three":         {3, "a- a- a-", true, true},
		"interrupted":   {3, "a- a- a+ a- a-", false, true},
		"recovered":     {3, "a- a- a- a- a+", false, false},
		"two targets":   {3, "a- b- a- b-", false, true},
		"other is good": {3, "a- b+ a- b+ a-", true, true},
		"both":          {2, "b- a- b- a-", true, true},
		"one is left":   {2, "b- a- b- a- a+", false, true},
		"at once":       {1, "a-", true, true},
		"default":       {0, "a- a-", false, true},
		"default, bad":  {0, "a- a- a-", true, true},
	}
	for name, test := range tests {
		s := Streak{Threshold: test.threshold}
		last := false
		for event := range strings.FieldsSeq(test.events) {
			last = s.Note(event[:1], event[1] == '+')
		}
		if last != test.last || s.Failing() != test.failing {
			t.Errorf("%s: bad is %v, failing is %v", name, last, s.Failing())
		}
	}
}
