package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// upgrade looks for one that is under way, ours or not. In the middle of one the
// other checks would take two generations for one that is broken.
func (e *examination) upgrade(ctx context.Context) Finding {
	name := shellWord(e.s.instance.Name)
	if rec := e.s.leftStuck(); rec != nil {
		return Finding{Level: LevelFailure, Text: "stuck: " + rec.Reason, Remedy: remainsOf(rec).text()}
	}
	if rec := e.underWay(); rec != nil && e.daemon == 0 {
		return Finding{Level: LevelWarning, Text: fmt.Sprintf("an upgrade was interrupted in phase %s, and nobody goes on with it", rec.Phase),
			Remedy: "systemctl start nginx-hotswap"}
	} else if rec != nil {
		return note("an upgrade runs, phase %s; everything else is looked at when it is over", rec.Phase)
	}
	refusal, ok := errors.AsType[*Refusal](e.m.swappable(ctx))
	if !ok {
		return okay("none is under way")
	}
	found := Finding{Level: LevelWarning, Text: refusal.Text, Remedy: refusal.Remedy}
	switch {
	case refusal.Reason == ReasonPredecessor:
		return found
	case refusal.Reason != ReasonUnitBusy:
		return okay("none is under way") // the other refusals have checks of their own
	case len(e.successors()) == 0:
		found.Remedy = "nginx-hotswap doctor " + name + " # in a moment, again"
	}
	return found
}

// underWay is the record of a cycle whose old master lives, or nil.
func (e *examination) underWay() *Record {
	rec, err := e.s.store.LoadRunning(e.s.instance.Name)
	if err != nil || rec == nil || rec.Boot != bootID() || !lives(rec.Old.ID()) {
		return nil
	}
	return rec
}

// diskAndMemory compares what runs with what is on disk. What is tried only
// later, or never, needs somebody.
func (e *examination) diskAndMemory(context.Context) Finding {
	s := e.s
	c, err := s.compare(e.m)
	if err != nil {
		return ofError(LevelFailure, err)
	}
	if c == nil {
		return okay("what is on disk runs: nginx %s, %s", e.m.build.Short(), e.m.binary)
	}
	e.disk, e.why = c, s.objection(c)
	s.publish(func(v *view) { v.disk, v.pending = c.build, e.why })
	return e.pending(c)
}

// pending judges a difference by what is going to be done about it.
func (e *examination) pending(c *candidate) Finding {
	s, name := e.s, shellWord(e.s.instance.Name)
	found := Finding{Level: LevelWarning, Text: c.news(e.m), Remedy: fmt.Sprintf("nginx-hotswap upgrade --dry-run %[1]s && nginx-hotswap upgrade %[1]s", name)}
	if e.why == "" && e.daemon != 0 {
		return note("%s; the daemon is about to take it up", found.Text)
	}
	if e.why == "" {
		found.Text += "; no daemon runs that would act on it"
		return found
	}
	found.Text += "; it is not tried: " + e.why
	switch lock, err := TransactionRuns(s.locks); {
	case s.trouble() != "":
		found.Level = LevelFailure
		found.Remedy = fmt.Sprintf("nginx-hotswap upgrade --dry-run %[1]s # what is wrong with it\nnginx-hotswap confirm %[1]s # acknowledges it, until a fixed build is installed", name)
	case s.attachment.Acknowledged == c.build.Key():
		return note("%s (acknowledged)", found.Text)
	case err == nil && lock != "" && !s.attachment.Held:
		return note("%s", found.Text)
	}
	return found
}

// remembered looks at what was decided earlier.
func (e *examination) remembered(context.Context) Finding {
	a, name := e.s.attachment, shellWord(e.s.instance.Name)
	r := a.Restored
	switch {
	case a.Held:
		return Finding{Level: LevelWarning, Text: "held: nothing is upgraded, not even when asked", Remedy: "nginx-hotswap unhold " + name}
	case r != nil && r.SHA256 == e.m.build.SHA256:
		text := fmt.Sprintf("%s stands in for %s, which is condemned: %s", e.m.build.Number, r.Version, r.Reason)
		if a.Acknowledged == r.Condemned {
			return note("%s (acknowledged)", text)
		}
		return Finding{Level: LevelFailure, Text: text,
			Remedy: fmt.Sprintf("install a fixed build; until then: nginx-hotswap confirm %s # acknowledges it", name)}
	case len(a.Quarantine) > 0:
		var versions []string
		for _, q := range a.Quarantine {
			versions = append(versions, q.Version)
		}
		slices.Sort(versions)
		return note("in quarantine, never tried again by themselves: %s", strings.Join(slices.Compact(versions), ", "))
	}
	return okay("nothing is held, condemned or restored")
}

// drifted compares the configuration on disk with the last load.
func (e *examination) drifted(context.Context) Finding {
	file := e.s.drift(e.m)
	if file == "" {
		return okay("the configuration on disk is older than its last load")
	}
	return Finding{Level: LevelWarning, Text: driftText(file), Remedy: e.command("-t") + " && " + e.reload()}
}
