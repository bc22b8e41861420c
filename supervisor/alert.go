package supervisor

import "slices"

// raise tells others when the instance begins to need a person, and when it
// does not any more. It is called when everything is as decided.
func (s *Supervisor) raise() {
	if s.deserted == "" && (s.current == nil || s.attachment == nil) {
		return // nothing is known; what was told stands
	}
	text := s.trouble()
	if s.raised != nil && *s.raised == text {
		return
	}
	s.raised = &text
	s.publish(func(v *view) { v.alert = text })
	s.onAlert(s.instance.Name, text)
}

// trouble says why a person has to do something, or is empty: what somebody has
// installed does not run and will not by itself, or a restart of nginx would
// end badly. What is only waited for, what a person wanted and what a person has
// acknowledged is none.
func (s *Supervisor) trouble() string {
	if s.deserted != "" {
		return s.deserted
	}
	v, a := s.snapshot(), s.attachment
	if s.stuckIn != "" {
		return v.pending
	}
	if note := s.standIn(); note != "" {
		if a.Acknowledged == a.Restored.Condemned {
			return ""
		}
		return note
	}
	if v.pending == "" || a.Acknowledged == v.disk.Key() {
		return ""
	}
	return a.against(v.disk.Key())
}

// against says why a build will not be tried until somebody does something, or
// is empty.
func (a *Attachment) against(key string) string {
	if q := a.condemnation(key); q != nil {
		return quarantineText(q)
	}
	if r := a.Refused; r != nil && r.Key == key && r.lasts() {
		return r.Text
	}
	return ""
}

// lasts reports whether a refusal stays until somebody changes something.
func (r *Refused) lasts() bool {
	if slices.Contains([]string{reasonRolledBack, string(Stuck)}, r.Reason) {
		return !r.Asked
	}
	return (&Refusal{Reason: Reason(r.Reason)}).Code() == ExitRejected
}
