package traffic

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Table writes the report for a person to read. Failures and stale retries stand
// side by side. A line for each kind of client, one for all, then what failed.
func (r *Report) Table(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "client\trequests\tok\tfailed\tstale retries\tunfinished\trunning\tp50 ms\tp99 ms\tp99.9 ms\tmax ms\tgap ms\t")
	for _, kind := range slices.Sorted(maps.Keys(r.Kinds)) {
		r.Kinds[kind].row(t, string(kind))
	}
	r.Total.row(t, "all")
	t.Flush()

	fmt.Fprintf(w, "\n%.1f s; %d downloads and streams complete, %d echoes\n",
		float64(r.DurationMS)/1000, r.Total.Completed, r.Total.Echoes)
	fmt.Fprintf(w, "answers by: %s\n", counts(r.Total.Servers))
	if r.Total.Failed == 0 {
		return
	}
	fmt.Fprintf(w, "failures: %s\n", counts(r.Total.ByKind))
	r.writeFailures(w)
}

func (s Summary) row(w io.Writer, name string) {
	l := s.LatencyUS
	fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t%.1f\t\n", name,
		s.Requests, s.OK, s.Failed, s.StaleRetries, s.Unfinished, s.Running,
		ms(l.P50), ms(l.P99), ms(l.P999), ms(l.Max), s.LongestGapMS)
}

func (r *Report) writeFailures(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range r.Failures {
		fmt.Fprintf(t, "  +%.3f s\t%s\t%s\t%s\n", f.Time.Sub(r.Started).Seconds(), f.Client, f.Kind, f.Text)
	}
	t.Flush()
	if rest := r.Total.Failed - len(r.Failures); rest > 0 {
		fmt.Fprintf(w, "  and %d more\n", rest)
	}
}

// ms writes microseconds as milliseconds.
func ms(us int64) string {
	return fmt.Sprintf("%.2f", float64(us)/float64(time.Millisecond/time.Microsecond))
}

// counts writes "name count, name count", by name.
func counts(m map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, m[name]))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
