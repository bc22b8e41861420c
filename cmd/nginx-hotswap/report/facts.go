package report

import (
	"strings"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// verdict is how it ended, in a word and in a sentence.
type verdict struct{ Class, Word, Sentence, Reason string }

func verdictOf(rec *supervisor.Record) verdict {
	v := verdict{Word: strings.ReplaceAll(orDash(string(rec.Result)), "-", " "), Reason: plain(rec.Reason), Class: "bad"}
	old, successor := from(rec), to(rec)
	switch rec.Result {
	case supervisor.Upgraded:
		v.Class, v.Sentence = "good", "nginx "+successor+" serves in place of "+old+"."
	case supervisor.Adopted:
		v.Class, v.Sentence = "good", "Somebody else began it: nginx "+successor+" serves in place of "+old+"."
	case supervisor.RolledBack:
		v.Class, v.Sentence = "warn", "nginx "+successor+" was tried and taken back: "+old+" serves."
	case supervisor.Rejected:
		v.Class, v.Sentence = "warn", "nginx "+successor+" was refused and nothing was touched: "+old+" goes on serving."
	case supervisor.Deferred:
		v.Class, v.Sentence = "quiet", "It was put off and nothing was touched: "+old+" goes on serving."
	case supervisor.Overtaken:
		v.Class, v.Sentence = "quiet", "Somebody else stopped or restarted nginx meanwhile."
	case supervisor.Stuck:
		v.Sentence = "The way back failed: both masters were left as they were, and a person was needed."
	case supervisor.Lost:
		v.Sentence = "The old master was killed or told to go meanwhile, so there was no way back to it."
	default:
		v.Sentence = "How it ended is not known."
	}
	return v
}

type fact struct{ Name, Value string }

var triggers = map[supervisor.Origin]string{
	supervisor.OriginWatch:       "the files on disk changed, and the daemon noticed",
	supervisor.OriginCLI:         "a person or a script ran nginx-hotswap",
	supervisor.OriginBus:         "a program asked over D-Bus",
	supervisor.OriginDpkg:        "a Debian package was installed",
	supervisor.OriginRPM:         "an RPM package was installed",
	supervisor.OriginInitscript:  "the init script was called",
	supervisor.OriginNeedrestart: "needrestart found outdated libraries",
	supervisor.OriginForeign:     "somebody else sent USR2 to the master",
}

func (r Report) facts() []fact {
	rec := r.Record
	trigger := plain(string(rec.Origin))
	if text := triggers[rec.Origin]; text != "" {
		trigger += ": " + text
	}
	facts := []fact{{"Instance", orDash(rec.Instance)}}
	if rec.Unit != "" {
		facts = append(facts, fact{"Unit", plain(rec.Unit)})
	}
	facts = append(facts, fact{"Triggered by", trigger}, fact{"Began", r.time(rec.Started)})
	if rec.Finished != nil {
		facts = append(facts, fact{"Ended", r.time(*rec.Finished)})
	}
	for _, f := range []struct {
		name, value string
		applies     bool
	}{
		{"Replaced files", plain(strings.Join(rec.Replaced, ", ")), len(rec.Replaced) > 0},
		{"Configuration", plain(rec.Drift) + " was changed since the old master had loaded it", rec.Drift != ""},
		{"Reload", "nginx was reloaded in the middle, the successor has loaded its configuration anew", rec.Reloaded},
		{"Confirmation", "a person has confirmed it", rec.Confirmed},
		{"Quarantine", "the build itself was at fault; it is not tried again by itself", rec.Condemned},
		{"Asked before", r.expected(), rec.Expected != nil && len(rec.Expected.Expectations) > 0},
		{"Cycle", plain(rec.ID), true},
	} {
		if f.applies {
			facts = append(facts, fact{f.name, f.value})
		}
	}
	return facts
}

func (r Report) expected() string {
	if r.Record.Expected == nil {
		return ""
	}
	return counted(len(r.Record.Expected.Expectations), "answer") + " of the old version, with which those of the new one were compared"
}

// generation is one of the two masters.
type generation struct {
	Role, Version, Master, Workers string
	SHA256, Libraries              string
	Listeners                      []string
}

func generationOf(role string, g supervisor.Generation) generation {
	v := generation{Role: role, Version: orDash(g.Version), SHA256: plain(g.SHA256), Libraries: plain(g.Libraries), Master: "–", Workers: "–"}
	if g.PID != 0 {
		v.Master = number(float64(g.PID), 0)
	}
	if len(g.Workers) > 0 {
		v.Workers = number(float64(len(g.Workers)), 0)
	}
	for _, l := range g.Listeners {
		v.Listeners = append(v.Listeners, plain(l.String()))
	}
	return v
}

// figure is a number that one looks for first.
type figure struct{ Value, Label string }

func (r Report) figures() []figure {
	figures := []figure{{span(r.end().Sub(r.Record.Started)), "from beginning to end"}}
	took := make(map[supervisor.Phase]time.Duration)
	for _, s := range r.Record.Steps {
		took[s.Phase] += time.Duration(s.DurationMS) * time.Millisecond
	}
	for _, f := range []struct {
		phase supervisor.Phase
		label string
	}{
		{supervisor.Starting, "until the successor served"},
		{supervisor.Soaking, "of proof under real traffic"},
		{supervisor.Reviving, "until the old version served again"},
		{supervisor.Draining, "for old connections to finish"},
	} {
		if d, ok := took[f.phase]; ok {
			figures = append(figures, figure{span(d), f.label})
		}
	}
	if good, failed := r.answers(); good+failed > 0 {
		label := "to probes, all good"
		if failed > 0 {
			label = "to probes, " + number(float64(failed), 0) + " bad"
		}
		figures = append(figures, figure{counted(good+failed, "answer"), label})
	}
	return figures
}

// answers counts what the samples hold.
func (r Report) answers() (good, failed int) {
	for _, s := range r.Samples {
		for _, p := range s.Probes {
			if p.Good {
				good++
			} else {
				failed++
			}
		}
	}
	return good, failed
}
