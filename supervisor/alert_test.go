package supervisor

import "testing"

func TestTrouble(t *testing.T) {
	restored := &Restored{SHA256: "running", Condemned: "bad", Version: "1.26.3", Reason: "it crashed"}
	condemned := []Condemned{{Key: "disk", SHA256: "disk", Version: "1.26.3", Reason: "it crashed"}}
	refused := func(reason string) *Refused { return &Refused{Key: "disk", Reason: reason, Text: "why"} }
	for name, tt := range map[string]struct {
		attachment Attachment
		view       view
		stuck      string
		want       bool
	}{
		"nothing":                          {},
		"it waits for a package lock":      {view: view{pending: "a package transaction runs"}},
		"a restored binary stands in":      {attachment: Attachment{Restored: restored}, view: view{note: "it stands in"}, want: true},
		"a stand-in that is known":         {attachment: Attachment{Restored: restored, Acknowledged: "bad"}, view: view{note: "it stands in"}},
		"a condemned build on disk":        {attachment: Attachment{Quarantine: condemned}, view: view{pending: "in quarantine"}, want: true},
		"a condemned build that is known":  {attachment: Attachment{Quarantine: condemned, Acknowledged: "disk"}, view: view{pending: "in quarantine"}},
		"a condemned build that was there": {attachment: Attachment{Quarantine: condemned}},
		"refused":                          {attachment: Attachment{Refused: refused(string(ReasonConfigTest))}, view: view{pending: "why"}, want: true},
		"refused for now":                  {attachment: Attachment{Refused: refused(string(ReasonBeingWritten))}, view: view{pending: "why"}},
		"cannot be swapped":                {attachment: Attachment{Refused: refused(string(ReasonDaemonOff))}, view: view{pending: "why"}},
		"another build was refused":        {attachment: Attachment{Refused: &Refused{Key: "other", Reason: string(ReasonConfigTest)}}, view: view{pending: "Automatic=no"}},
		"rolled back":                      {attachment: Attachment{Refused: refused(reasonRolledBack)}, view: view{pending: "why"}, want: true},
		"rolled back because of a wish":    {attachment: Attachment{Refused: &Refused{Key: "disk", Reason: reasonRolledBack, Text: "why", Asked: true}}, view: view{pending: "why"}},
		"stuck":                            {stuck: "id", view: view{pending: "stuck"}, want: true},
		"it was there before we came":      {attachment: Attachment{Baseline: "disk"}, view: view{pending: "it was there before we came"}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.view.disk = Build{SHA256: "disk"}
			s := &Supervisor{attachment: &tt.attachment, view: tt.view, stuckIn: tt.stuck, current: &master{build: Build{SHA256: "running"}}}
			if got := s.trouble(); (got != "") != tt.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

// Whoever is told is told once, and of the end, too.
func TestRaise(t *testing.T) {
	var told []string
	s := &Supervisor{attachment: &Attachment{}, current: &master{}, onChange: func() {},
		onAlert: func(_, text string) { told = append(told, text) }}
	s.raise()
	s.raise()
	s.view.pending, s.stuckIn = "stuck", "id"
	s.raise()
	s.raise()
	s.stuckIn = ""
	s.view.pending = ""
	s.raise()
	s.current = nil
	s.raise()
	if len(told) != 3 || told[0] != "" || told[1] != "stuck" || told[2] != "" {
		t.Errorf("told %q", told)
	}
}
