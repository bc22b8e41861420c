package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// statusLine is the one line that `systemctl status nginx-hotswap` has for all
// instances. An instance is looked at when it has changed: with hundreds of them
// nobody looks at all because one soaks.
type statusLine struct {
	changed chan struct{}
	mu      sync.Mutex
	news    map[string]bool // names of those that have changed

	// Of the main loop alone.
	clauses map[string]clause
	said    string
}

func newStatusLine() *statusLine {
	return &statusLine{changed: make(chan struct{}, 1), news: make(map[string]bool), clauses: make(map[string]clause)}
}

// change notes that an instance has changed. It does not block.
func (l *statusLine) change(name string) {
	l.mu.Lock()
	l.news[name] = true
	l.mu.Unlock()
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// look brings the clauses up to date: those of the instances that have changed, or
// all. It reports whether the line is another one than before.
func (l *statusLine) look(instances []*supervisor.Supervisor, all bool) bool {
	l.mu.Lock()
	news := l.news
	l.news = make(map[string]bool)
	l.mu.Unlock()
	clauses := make(map[string]clause)
	for _, s := range instances {
		known, ok := l.clauses[s.Name()]
		if all || !ok || news[s.Name()] {
			known = clauseOf(s.Outline())
		}
		clauses[s.Name()] = known
	}
	before := l.said
	l.clauses, l.said = clauses, sentence(clauses)
	return l.said != before
}

// clause is what the line says of one instance.
type clause struct {
	rank rank
	text string
}

// rank is what comes first, where there is no room for all.
type rank int

const (
	upgrades rank = iota
	inNeed
	waits
	watched
	down
)

func clauseOf(s supervisor.Status) clause {
	switch {
	case s.Cycle != nil && s.Cycle.To != "":
		return clause{upgrades, fmt.Sprintf("%s: %s to %s, %s", s.Name, s.Cycle.From, s.Cycle.To, s.Phase)}
	case s.Cycle != nil:
		return clause{upgrades, fmt.Sprintf("%s: %s, %s", s.Name, s.Cycle.From, s.Phase)}
	case s.Alert != "":
		return clause{inNeed, s.Name + " needs attention"}
	case isUnknown(s):
		return clause{down, "looking for " + s.Name}
	case s.Running.Version == "":
		return clause{down, s.Name + " does not run"}
	case s.Pending:
		return clause{waits, fmt.Sprintf("%s %s, what is on disk differs", s.Name, s.Running.Version)}
	}
	return clause{watched, fmt.Sprintf("%s %s", s.Name, s.Running.Version)}
}

// mostClauses keep the line one line.
const mostClauses = 5

func sentence(clauses map[string]clause) string {
	var list []clause
	for _, c := range clauses {
		list = append(list, c)
	}
	if len(list) == 0 {
		return "there is no instance"
	}
	slices.SortFunc(list, func(a, b clause) int {
		if a.rank != b.rank {
			return int(a.rank - b.rank)
		}
		return strings.Compare(a.text, b.text)
	})
	var texts []string
	for i, c := range list[:min(len(list), mostClauses)] {
		if c.rank == watched && (i == 0 || list[i-1].rank != watched) {
			c.text = "watching " + c.text
		}
		texts = append(texts, c.text)
	}
	text := strings.Join(texts, "; ")
	if more := len(list) - mostClauses; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// summary looks at all instances.
func (d *daemonProcess) summary() string {
	d.status.look(d.list(), true)
	return d.status.said
}

// statusPause is how long a phase must last to be told: PID 1 takes milliseconds
// for each line.
const statusPause = 100 * time.Millisecond

// tellStatus looks at those that have changed.
func (d *daemonProcess) tellStatus() {
	if d.status.look(d.list(), false) {
		d.say(d.notifier.Status(d.status.said))
	}
}
