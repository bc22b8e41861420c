package probe

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStreak(t *testing.T) {
	tests := map[string]struct {
		threshold int
		events    string // target and + or -
		last      bool
		bad       []string
		failing   bool
	}{
		"nothing":       {3, "", false, nil, false},
		"good":          {3, "a+ a+", false, nil, false},
		"two":           {3, "a- a-", false, nil, true},
		"three":         {3, "a- a- a-", true, []string{"a"}, true},
		"interrupted":   {3, "a- a- a+ a- a-", false, nil, true},
		"recovered":     {3, "a- a- a- a- a+", false, nil, false},
		"two targets":   {3, "a- b- a- b-", false, nil, true},
		"other is good": {3, "a- b+ a- b+ a-", true, []string{"a"}, true},
		"both":          {2, "b- a- b- a-", true, []string{"a", "b"}, true},
		"one is left":   {2, "b- a- b- a- a+", false, []string{"b"}, true},
		"at once":       {1, "a-", true, []string{"a"}, true},
		"default":       {0, "a- a-", false, nil, true},
		"default, bad":  {0, "a- a- a-", true, []string{"a"}, true},
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
		if diff := cmp.Diff(test.bad, s.Bad()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
