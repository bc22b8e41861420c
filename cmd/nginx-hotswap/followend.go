package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// endings tells how the cycles ended that have ended between two looks.
func endings(before, after []supervisor.Status, now time.Time) []string {
	var texts []string
	for _, s := range after {
		was, known := named(before, s.Name)
		if !known || s.Last == nil || s.Last.Finished == nil || was.Last != nil && was.Last.ID == s.Last.ID && was.Last.Result == s.Last.Result {
			continue
		}
		texts = append(texts, clockText(*s.Last.Finished, now)+" "+s.Name+": "+endText(was.Cycle, *s.Last))
	}
	return texts
}

// endText is the result of a cycle, of which c is what was seen last, or nil.
func endText(c *supervisor.CycleStatus, last supervisor.LastStatus) string {
	text := string(last.Result)
	if c != nil && c.ID == last.ID {
		took := spanText(last.Finished.Sub(c.Started))
		switch last.Result {
		case supervisor.Upgraded, supervisor.Adopted:
			text = fmt.Sprintf("%s %s to %s in %s", last.Result, c.From, c.To, took)
		case supervisor.RolledBack:
			text = fmt.Sprintf("rolled back from %s to %s after %s", c.To, c.From, took)
		default:
			text = fmt.Sprintf("%s on the way from %s to %s after %s", last.Result, c.From, c.To, took)
		}
	}
	if last.Reason != "" {
		text += ": " + last.Reason
	}
	return text
}

func named(list []supervisor.Status, name string) (supervisor.Status, bool) {
	i := slices.IndexFunc(list, func(s supervisor.Status) bool { return s.Name == name })
	if i < 0 {
		return supervisor.Status{}, false
	}
	return list[i], true
}

// settled takes the result of a cycle away as long as the cycle is told of: its last
// steps may have been made between the one and the other. The next look has both.
func settled(before, list []supervisor.Status) []supervisor.Status {
	list = slices.Clone(list)
	for i, s := range list {
		if s.Cycle != nil && hasEnded(s) {
			was, _ := named(before, s.Name)
			list[i].Last = was.Last
		}
	}
	return list
}

// ended picks the instances whose cycle has ended since the look before, with what
// was seen of it last.
func ended(before, after []supervisor.Status) []supervisor.Status {
	var over []supervisor.Status
	for _, s := range after {
		was, _ := named(before, s.Name)
		if s.Cycle == nil && was.Cycle != nil && s.Last != nil && s.Last.ID == was.Cycle.ID {
			s.Cycle = was.Cycle
			over = append(over, s)
		}
	}
	return over
}

// withCycle picks the instances that a cycle runs for, and those whose cycle is
// over.
func withCycle(list, over []supervisor.Status) []supervisor.Status {
	var picked []supervisor.Status
	for _, s := range list {
		if o, isOver := named(over, s.Name); isOver {
			s = o
		}
		if s.Cycle != nil {
			picked = append(picked, s)
		}
	}
	return picked
}
