package supervisor

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// verified is the condition of Verifying.
func (c *cycle) verified(context.Context) (bool, error) {
	return c.candidate != nil && c.candidate.tested > 0, nil
}

// verify is the act of Verifying: it touches nothing.
func (c *cycle) verify(ctx context.Context) error {
	if err := c.s.preflight(ctx, c.old, c.candidate, c.announce); err != nil {
		return err
	}
	for _, what := range c.candidate.mind {
		c.s.log.Warn(c.rec.Instance + ": " + what)
	}
	c.s.audit().Cycle(EventAccepted, c.rec, c.candidate.tested, "candidate %s accepted: owner, ELF, pid file and configuration test (%v) are in order",
		c.candidate.build.Short(), c.candidate.tested.Round(time.Millisecond))
	return nil
}

// announce is called when the candidate's version is known.
func (c *cycle) announce() {
	c.rec.Successor.Version = c.candidate.build.Number
	c.s.publish(func(v *view) { v.disk = c.candidate.build })
	c.show(func(*CycleStatus) {})
	drift := ""
	if c.rec.Drift != "" {
		drift = "; " + driftText(c.rec.Drift)
	}
	c.s.audit().Cycle(EventCandidate, c.rec, 0, "%s, by %s%s", c.candidate.news(c.old), c.rec.Origin, drift)
}

// what names what is new on disk.
func (c *candidate) what() string {
	if c.same {
		return replacedText(c.replaced)
	}
	return fmt.Sprintf("%s (%s…)", c.path, hash8(c.build.SHA256))
}

// news says what is new on disk.
func (c *candidate) news(m *master) string {
	if c.same {
		return fmt.Sprintf("replaced: %s, of which running %s has the old ones mapped", replacedText(c.replaced), m.build.Short())
	}
	text := fmt.Sprintf("new binary %s %s differs from running %s", c.path, c.build.Short(), m.build.Short())
	if len(c.replaced) > 0 {
		text += "; replaced, too: " + replacedText(c.replaced)
	}
	return text
}

// preflight refuses a candidate that must not be tried, or a master that
// cannot be swapped. announce is called as soon as the candidate is known to
// be an nginx.
func (s *Supervisor) preflight(ctx context.Context, m *master, c *candidate, announce func()) (err error) {
	if err := m.swappable(ctx); err != nil {
		return err
	}
	if err := s.inspect(ctx, m, c); err != nil {
		return err
	}
	announce()
	if err := m.checkPIDFiles(); err != nil {
		return err
	}
	if err := m.checkUnixListeners(); err != nil {
		return err
	}
	tight, err := s.checkMemory(ctx, m)
	if err != nil {
		return err
	}
	c.mind = mindful(tight, m.sharesQUIC(s.instance.Upgrade))
	began := time.Now()
	if err := s.testConfig(ctx, m); err != nil {
		return err
	}
	c.tested = max(time.Since(began), 1)
	return nil
}

// mindful returns the texts that say something.
func mindful(texts ...string) []string {
	return slices.DeleteFunc(texts, func(text string) bool { return text == "" })
}
