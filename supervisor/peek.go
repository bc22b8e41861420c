package supervisor

import (
	"cmp"
	"context"
)

// Peek looks at the instance without Run: nothing is written, sent or
// remembered. It is for a command where no daemon runs.
func (s *Supervisor) Peek(ctx context.Context) Status {
	defer s.detach()
	m, err := s.attach(ctx)
	if err == nil {
		s.current = m
		err = s.recall()
	}
	if err != nil {
		s.publish(func(v *view) { v.problem = err.Error() })
		return s.Status()
	}
	s.adopted(m)
	s.peekDisk()
	if rec := s.leftStuck(); rec != nil {
		s.stuckIn = rec.ID
		s.publish(func(v *view) { v.pending = "stuck: " + rec.Reason + "; " + remainsOf(rec).text() })
	}
	alert := s.trouble()
	s.publish(func(v *view) { v.held, v.alert = s.attachment.Held, alert })
	s.peekCycle()
	return s.Status()
}

// recall takes what is remembered of the instance, and remembers nothing.
func (s *Supervisor) recall() (err error) {
	s.attachment, err = s.store.Attachment(s.instance.Name)
	if s.attachment == nil {
		s.attachment = &Attachment{}
	}
	return err
}

// peekDisk compares what runs with what is on disk.
func (s *Supervisor) peekDisk() {
	note := s.standIn()
	s.publish(func(v *view) { v.note = note })
	c, err := s.compare(s.current)
	if err != nil {
		s.publish(func(v *view) { v.pending = err.Error() })
		return
	}
	if c == nil {
		s.publish(func(v *view) { v.disk = v.running })
		return
	}
	defer c.Close()
	why := cmp.Or(s.attachment.against(c.build.Key()), "no daemon runs that would act on it; `nginx-hotswap upgrade` does")
	s.publish(func(v *view) { v.disk, v.pending = c.build, why })
}

// peekCycle shows a cycle that nobody goes on with just now.
func (s *Supervisor) peekCycle() {
	rec, err := s.store.LoadRunning(s.instance.Name)
	if err != nil || rec == nil || rec.Boot != bootID() || !lives(rec.Old.ID()) || !lives(rec.Successor.ID()) {
		return
	}
	old, successor := rec.Old.ID(), rec.Successor.ID()
	s.publish(func(v *view) {
		v.phase, v.main, v.successor = rec.Phase, &old, &successor
		v.running = rec.Old.build()
		v.disk = rec.Successor.build()
		v.pending = "the cycle was interrupted; the daemon goes on with it, or `nginx-hotswap upgrade` does"
	})
}
