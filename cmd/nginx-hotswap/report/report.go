// Package report draws one cycle as a page that needs nothing else: no script,
// no font, no picture from anywhere.
//
// Reasons, versions and log lines come from outside. What keeps them harmless
// is that everything on the page, the drawings too, goes through html/template:
// nothing in this package is marked as safe.
package report

import (
	"embed"
	"html/template"
	"io"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

//go:embed page.html chart.html phases.html
var files embed.FS

var page = template.Must(template.ParseFS(files, "*.html"))

// Report is what the page is made of.
type Report struct {
	Record  *supervisor.Record
	Samples []supervisor.Sample
	// SamplesNote says why there are no samples, where that is known.
	SamplesNote string
	Log         []LogLine
	// LogNote says why there are no lines, or not all.
	LogNote string
	Host    string
	Program string    // name and version of what made the page
	Made    time.Time // times are written in its zone
}

// LogLine is a line of the window's log.
type LogLine struct {
	At       time.Time
	Source   string
	Message  string
	Priority int // as in syslog(3)
}

// Write writes the page.
func (r Report) Write(w io.Writer) error {
	return page.ExecuteTemplate(w, "page.html", r.view())
}

// view is what the templates see.
type view struct {
	Title   string
	Verdict verdict
	Key     []figure
	Facts   []fact
	Masters []generation
	Phases  []phaseRow
	Gantt   []gantt
	Charts  []section
	Log     []logRow
	LogNote string
	Host    string
	Program string
	Made    string
}

// section is a drawing for wide screens and one for narrow ones, with the
// legend of both; or a note in their place.
type section struct {
	ID, Heading, Intro, Note string
	Legend                   []legend
	Drawings                 []chart
}

type logRow struct{ Clock, Offset, Source, Message, Class, Level string }

func (r Report) view() view {
	rec := r.Record
	return view{
		Title:   "nginx " + from(rec) + " → " + to(rec),
		Verdict: verdictOf(rec),
		Key:     r.figures(),
		Facts:   r.facts(),
		Masters: []generation{generationOf("Old", rec.Old), generationOf("Successor", rec.Successor)},
		Phases:  r.phases(),
		Gantt:   []gantt{r.gantt(wide), r.gantt(narrow)},
		Charts:  []section{r.connections(), r.latencies()},
		Log:     r.log(),
		LogNote: plain(r.LogNote),
		Host:    plain(r.Host),
		Program: plain(r.Program),
		Made:    r.time(r.Made),
	}
}

func (r Report) log() (rows []logRow) {
	for _, l := range r.Log {
		class, level := levelOf(l.Priority)
		rows = append(rows, logRow{r.clock(l.At), r.offset(l.At), plain(l.Source), plain(l.Message), class, level})
	}
	return rows
}

// levelOf names a priority: colour alone says nothing to some, and nothing on
// paper.
func levelOf(priority int) (class, level string) {
	switch {
	case priority <= 3:
		return "bad", "error"
	case priority == 4:
		return "warn", "warning"
	}
	return "", ""
}

// end is when the cycle ended, or when it was seen last.
func (r Report) end() time.Time {
	if r.Record.Finished != nil {
		return *r.Record.Finished
	}
	end := r.Record.Started
	for _, s := range r.Record.Steps {
		if e := s.Started.Add(time.Duration(s.DurationMS) * time.Millisecond); e.After(end) {
			end = e
		}
	}
	return end
}
