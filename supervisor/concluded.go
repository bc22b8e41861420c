package supervisor

import (
	"fmt"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// concluded draws the consequences of a cycle for what comes next.
func (s *Supervisor) concluded(c *cycle, result Result, inputs string) {
	s.publish(func(v *view) {
		v.phase, v.successor, v.note, v.cycle = Idle, nil, "", nil
		switch { // of the old master nothing is to be said any more
		case result.isUpgrade():
			c.showSuccessor(v)
		case result == Overtaken, result == Lost:
			v.main = nil
		}
	})
	if result == Deferred && s.deferred(inputs) {
		return // whatever has come meanwhile is seen when the pause is over
	}
	s.Poke() // something may have come meanwhile
	switch result {
	case Upgraded, Adopted:
		s.release() // the next look attaches to the successor, which is shown already
		s.remember(func(a *Attachment) {
			a.settle(a.Restored != nil && a.Restored.SHA256 == c.rec.Successor.SHA256)
		})
	case Overtaken, Lost:
		s.detach()
	case RolledBack, Stuck:
		s.keepLoad(c.old)
		s.rolledBack(c, inputs)
	case Rejected:
		s.remember(func(a *Attachment) { a.Refused.Inputs = inputs })
	case "": // interrupted
		s.answer(WaitDone, Outcome{Code: ExitFailure, Text: fmt.Sprintf("interrupted in %s; the daemon, or the same command, goes on from there", c.rec.Phase), Cycle: c.rec.ID})
	}
}

// showSuccessor shows what serves from now on, until the next look attaches to it.
func (c *cycle) showSuccessor(v *view) {
	id := c.rec.Successor.ID()
	v.main, v.running = &id, Build{Version: nginx.Version{Number: c.rec.Successor.Version}, SHA256: c.rec.Successor.SHA256}
	if c.successor == nil {
		return
	}
	if since, err := c.successor.Started(); err == nil {
		v.since = since
	}
}

// rolledBack remembers what was not the build's fault: what a person undid is
// left alone, everything else is tried again when its inputs change.
func (s *Supervisor) rolledBack(c *cycle, inputs string) {
	if c.rec.Condemned {
		return
	}
	if c.rec.Reason == errAsked.text || c.rec.Reason == errUnconfirmed.text || c.takenBack {
		inputs = ""
	}
	reason := reasonRolledBack
	if c.rec.Result == Stuck {
		reason, inputs = string(Stuck), ""
	}
	text := fmt.Sprintf("it was tried and rolled back: %s; `nginx-hotswap upgrade` tries it again", c.rec.Reason)
	if c.rec.Result == Stuck {
		text = fmt.Sprintf("it got stuck: %s; `nginx-hotswap upgrade` tries it again", c.rec.Reason)
	}
	s.remember(func(a *Attachment) {
		a.Refused = &Refused{Key: c.rec.Successor.Key(), Reason: reason, Inputs: inputs, Text: text, Asked: c.rec.Reason == errAsked.text}
	})
}

// deferred reports whether it is tried again after a pause. To look again at once
// would try it over and over.
func (s *Supervisor) deferred(inputs string) (pauses bool) {
	switch Reason(s.attachment.Refused.Reason) {
	case ReasonBeingWritten:
		s.retryIn(pauseWriter)
	case ReasonUnitBusy:
		s.retryIn(pauseUnit)
	default:
		s.remember(func(a *Attachment) { a.Refused.Inputs = inputs })
		return false
	}
	s.remember(func(a *Attachment) { a.Refused.Inputs = notYet })
	s.publish(func(v *view) { v.pending = s.attachment.Refused.Text })
	return true
}

// notYet are inputs that are never the same: it is tried again when the time
// has come.
const notYet = "-"

// stillRefused reports whether the candidate was refused, or tried and rolled
// back, and nothing has changed since that the refusal depended on.
func (s *Supervisor) stillRefused(c *candidate) bool {
	r := s.attachment.Refused
	return r != nil && r.Key == c.build.Key() && (r.Inputs == "" || r.Inputs == s.inputs(c))
}

// reasonRolledBack marks a build that was tried and rolled back.
const reasonRolledBack = "rolled-back"

func (s *Supervisor) refusedBefore(key, reason string) bool {
	r := s.attachment.Refused
	return r != nil && r.Key == key && r.Reason == reason
}
