package supervisor

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func fullAttachment() Attachment {
	return Attachment{
		Baseline:   "aa",
		Refused:    &Refused{Key: "bb", Reason: "owner", Text: "it belongs to somebody"},
		Held:       true,
		Quarantine: []Condemned{{Key: "cc", SHA256: "cc", Version: "1.26.3", Reason: "it crashed", Cycle: "1", Since: someTime}},
		Restored:   &Restored{SHA256: "dd", Condemned: "cc", Version: "1.26.3", Reason: "it crashed"},
	}
}

// When disk and memory agree, what was pending is forgotten. What a person
// decided and what is condemned is not.
func TestAttachmentSettle(t *testing.T) {
	for standsIn, restored := range map[bool]*Restored{true: fullAttachment().Restored, false: nil} {
		got := fullAttachment()
		got.settle(standsIn)
		want := Attachment{Held: true, Quarantine: fullAttachment().Quarantine, Restored: restored}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("stands in %v: %s", standsIn, diff)
		}
	}
}

func TestCondemnation(t *testing.T) {
	a := fullAttachment()
	if q := a.condemnation("cc"); q == nil || q.Reason != "it crashed" {
		t.Errorf("the condemned build: %+v", q)
	}
	for _, sha := range []string{"", "c", "dd", "CC"} {
		if q := a.condemnation(sha); q != nil {
			t.Errorf("%q: %+v", sha, q)
		}
	}
}

// Who asked for the way back wants to know whether it was found.
func TestRollbackCode(t *testing.T) {
	for name, tt := range map[string]struct {
		out  Outcome
		want int
	}{
		"undone while it ran":            {Outcome{Code: ExitRolledBack, Result: RolledBack}, ExitOK},
		"by a cycle to the build before": {Outcome{Code: ExitOK, Result: Upgraded}, ExitOK},
		"the build before was refused":   {Outcome{Code: ExitRejected, Result: Rejected}, ExitRejected},
		"stuck":                          {Outcome{Code: ExitStuck, Result: Stuck}, ExitStuck},
		"deferred":                       {Outcome{Code: ExitDeferred, Result: Deferred}, ExitDeferred},
		"interrupted":                    {Outcome{Code: ExitFailure}, ExitFailure},
	} {
		if got := rollbackCode(tt.out); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

func TestMayServe(t *testing.T) {
	held, condemned := Attachment{Held: true}, Attachment{Quarantine: fullAttachment().Quarantine}
	both := Attachment{Held: true, Quarantine: fullAttachment().Quarantine}
	for name, tt := range map[string]struct {
		attachment Attachment
		sha        string
		request    Request
		code       int // 0: it may
		says       string
	}{
		"nothing in the way":      {Attachment{}, "cc", Request{}, 0, ""},
		"held":                    {held, "aa", Request{}, ExitDeferred, "held: `nginx-hotswap unhold web` or --force"},
		"held, forced":            {held, "aa", Request{Force: true}, 0, ""},
		"held, only looking":      {held, "aa", Request{DryRun: true}, 0, ""},
		"condemned":               {condemned, "cc", Request{}, ExitRolledBack, "it crashed; install a fixed build"},
		"condemned, forced":       {condemned, "cc", Request{Force: true}, 0, ""},
		"condemned, only looking": {condemned, "cc", Request{DryRun: true}, 0, ""},
		"another is condemned":    {condemned, "ee", Request{}, 0, ""},
		"held and condemned":      {both, "cc", Request{}, ExitDeferred, "held"},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(InstanceConfig{Name: "web"}, Options{Store: tempStore(t)})
			s.attachment = &tt.attachment
			out, refused := s.mayServe(request{Request: tt.request}, &candidate{build: Build{SHA256: tt.sha}})
			if refused != (tt.code != 0) || out.Code != tt.code || !strings.Contains(out.Text, tt.says) {
				t.Errorf("refused %v: %+v", refused, out)
			}
		})
	}
}
