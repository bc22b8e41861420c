package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// printHistory prints a line for each cycle. What comes from outside must not
// speak to the terminal, here and below: a reason may quote a log or a program.
func printHistory(w io.Writer, records []*supervisor.Record, zone *time.Location) error {
	if len(records) == 0 {
		_, err := fmt.Fprintln(w, "No cycle has ended yet; `nginx-hotswap status` shows what goes on.")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSTARTED\tINSTANCE\tFROM\tTO\tBY\tRESULT\tTOOK\tREASON")
	for _, r := range records {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Started.In(zone).Format("2006-01-02 15:04:05"), printable(r.Instance),
			versionOf(r.Old), versionOf(r.Successor), printable(string(r.Origin)), printable(string(r.Result)), tookText(r),
			shorten(printable(r.Reason), 60))
	}
	return table.Flush()
}

func versionOf(g supervisor.Generation) string { return orDash(printable(g.Version)) }

// printCycle prints one cycle as it went.
func printCycle(w io.Writer, r *supervisor.Record, zone *time.Location) error {
	fmt.Fprintf(w, "Cycle %s of %s, by %s: %s\n", r.ID, printable(r.Instance), printable(string(r.Origin)), printable(string(r.Result)))
	for _, f := range []struct{ name, value string }{
		{"Reason", r.Reason}, {"Replaced", strings.Join(r.Replaced, ", ")},
	} {
		if f.value != "" {
			fmt.Fprintf(w, "%s: %s\n", f.name, printable(f.value))
		}
	}
	if r.Drift != "" {
		fmt.Fprintf(w, "Configuration: %s was changed since the old master loaded it\n", printable(r.Drift))
	}
	fmt.Fprintf(w, "Began:     %s, took %s\n", r.Started.In(zone).Format("2006-01-02 15:04:05"), tookText(r))
	fmt.Fprintf(w, "Old:       %s\n", generationText(r.Old))
	fmt.Fprintf(w, "Successor: %s\n", generationText(r.Successor))
	if len(r.Steps) == 0 {
		_, err := fmt.Fprintln(w, "\nNo phase was recorded.")
		return err
	}
	fmt.Fprintln(w)
	return printTimeline(w, r, zone)
}

// generationText leaves out what is not known: a build that was refused has no
// master, and perhaps nobody has asked it for its version.
func generationText(g supervisor.Generation) string {
	text := "nginx of unknown version"
	if g.Version != "" {
		text = "nginx " + printable(g.Version)
	}
	if g.PID != 0 {
		text += fmt.Sprintf(", master %d", g.PID)
	}
	if g.SHA256 != "" {
		text += ", SHA-256 " + printable(g.SHA256)
	}
	return text
}

// timeline is how many characters stand for the whole cycle.
const timeline = 30

func printTimeline(w io.Writer, r *supervisor.Record, zone *time.Location) error {
	var whole time.Duration
	for _, s := range r.Steps {
		whole = max(whole, s.Started.Sub(r.Started)+time.Duration(s.DurationMS)*time.Millisecond)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PHASE\tSTARTED\tOFFSET\tTOOK\tTIMELINE")
	for _, s := range r.Steps {
		offset, took := s.Started.Sub(r.Started), time.Duration(s.DurationMS)*time.Millisecond
		fmt.Fprintf(table, "%s\t%s\t+%s\t%s\t%s\n", printable(string(s.Phase)), s.Started.In(zone).Format("15:04:05.000"),
			spanText(offset), spanText(took), bar(offset, took, whole))
	}
	return table.Flush()
}

// bar is where in the cycle a phase lies. The shortest one is seen too.
func bar(offset, took, whole time.Duration) string {
	if whole <= 0 {
		return "#"
	}
	at := func(d time.Duration) int {
		return int(max(0, min(d, whole)) * timeline / whole)
	}
	from := min(at(offset), timeline-1)
	return strings.Repeat(" ", from) + strings.Repeat("#", max(1, at(offset+took)-from))
}

func tookText(r *supervisor.Record) string {
	if r.Finished == nil {
		return "-"
	}
	return spanText(r.Finished.Sub(r.Started))
}

// shorten keeps a table readable.
func shorten(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most-1]) + "…"
}
