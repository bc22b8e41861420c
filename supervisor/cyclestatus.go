package supervisor

import (
	"slices"
	"time"
)

// CycleStatus is the cycle that runs. A time is nil when it is not known yet, or
// when there is none.
type CycleStatus struct {
	ID      string       `json:"id"`
	Origin  Origin       `json:"origin"`
	Started time.Time    `json:"started"`
	From    string       `json:"from"` // the versions
	To      string       `json:"to"`
	Reason  string       `json:"reason,omitempty"` // why it goes back
	Steps   []StepRecord `json:"steps"`            // the last one is under way
	// Connections is how many the old workers had when they were told to
	// finish, an estimate.
	Connections  int           `json:"connections"`
	SoakUntil    *time.Time    `json:"soak_until"`    // the earliest end of Soaking
	KeepUntil    *time.Time    `json:"keep_until"`    // the old master stays so long
	ConfirmUntil *time.Time    `json:"confirm_until"` // and then comes back
	DrainUntil   *time.Time    `json:"drain_until"`   // then old workers are ended
	Probes       []ProbeStatus `json:"probes"`        // the last answers
}

// ProbeStatus is what one probe found last.
type ProbeStatus struct {
	Target string    `json:"target"`
	Good   bool      `json:"good"`
	Text   string    `json:"text,omitempty"` // what is wrong, or why it could not be asked
	Asked  time.Time `json:"asked"`
	TookUS int64     `json:"took_us"`
	Rounds int       `json:"rounds"`
}

// show publishes the cycle as it is now, and what is different about it.
func (c *cycle) show(change func(*CycleStatus)) {
	c.s.publish(func(v *view) {
		next := CycleStatus{Probes: []ProbeStatus{}}
		if v.cycle != nil {
			next = *v.cycle // whoever has the old one goes on reading it
			next.Probes = slices.Clone(next.Probes)
		}
		next.ID, next.Origin, next.Started, next.Reason = c.rec.ID, c.rec.Origin, c.rec.Started, c.rec.Reason
		next.From, next.To, next.Steps = c.rec.Old.Version, c.rec.Successor.Version, slices.Clone(c.rec.Steps)
		change(&next)
		v.phase, v.cycle = c.rec.Phase, &next
	})
}

// showDrain publishes what the old workers have to finish, once.
func (c *cycle) showDrain(connections int) {
	c.show(func(s *CycleStatus) {
		if s.Connections == 0 {
			s.Connections = connections
		}
	})
}

// showRound publishes what a probe has found.
func (c *cycle) showRound(r round) {
	now := ProbeStatus{Target: r.target, Good: r.text == "" && r.unasked == "", Text: r.text + r.unasked,
		Asked: r.at, TookUS: r.took.Microseconds(), Rounds: c.prober.asked[r.target]}
	c.show(func(s *CycleStatus) {
		i := slices.IndexFunc(s.Probes, func(p ProbeStatus) bool { return p.Target == r.target })
		if i < 0 {
			s.Probes = append(s.Probes, now)
			return
		}
		s.Probes[i] = now
	})
}

// moment is nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
