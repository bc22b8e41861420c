package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

// sight is nginx as clients and systemd see it at one moment.
type sight struct {
	Version  string // of what the main process executes
	MainPID  string
	Restarts string // NRestarts
	Status   string // the line that `systemctl status` shows
}

// look asks nginx and systemd.
func (m *machine) look(ctx context.Context) (sight, error) {
	var s sight
	for _, q := range []struct {
		answer *string
		script string
	}{
		{&s.MainPID, "systemctl show -P MainPID nginx"},
		{&s.Version, "/proc/$(systemctl show -P MainPID nginx)/exe -v 2>&1 | sed 's,.*/\\([0-9.]*\\).*,\\1,'"},
		{&s.Restarts, "systemctl show -P NRestarts nginx"},
		{&s.Status, "systemctl status --no-pager -n 0 nginx | sed -n 's/^ *Status: //p'"},
	} {
		var err error
		if *q.answer, err = m.run(ctx, q.script); err != nil {
			return s, err
		}
	}
	return s, nil
}

// figures are what the demo has to show.
type figures struct {
	before, after sight
	report        *traffic.Report
}

// verdict returns nil if the upgrade took place and no request failed.
func (f *figures) verdict() error {
	switch err := f.report.Verdict(); {
	case err != nil:
		return fmt.Errorf("%w: %w", errNotProven, err)
	case f.after.Version == f.before.Version:
		return fmt.Errorf("%w: nginx is still %s", errNotProven, f.after.Version)
	case f.after.MainPID == f.before.MainPID:
		return fmt.Errorf("%w: systemd still takes %s for the main process", errNotProven, f.after.MainPID)
	case f.report.Total.Servers["nginx/"+f.after.Version] == 0:
		return fmt.Errorf("%w: no request was answered by nginx %s", errNotProven, f.after.Version)
	case f.after.Restarts != f.before.Restarts:
		return fmt.Errorf("%w: systemd restarted nginx", errNotProven)
	}
	return nil
}

func (f *figures) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "\n\tbefore\tafter")
	fmt.Fprintf(t, "nginx\t%s\t%s\n", f.before.Version, f.after.Version)
	fmt.Fprintf(t, "MainPID\t%s\t%s\n", f.before.MainPID, f.after.MainPID)
	fmt.Fprintf(t, "NRestarts\t%s\t%s\n", f.before.Restarts, f.after.Restarts)
	t.Flush()
	fmt.Fprintf(w, "systemctl status nginx:  Status: %s\n\n", f.after.Status)
	f.printTraffic(w)
}

// nameWidth makes the first column, alone of all, flush left.
const nameWidth = len("new connections")

// kinds are the lines of the table.
var kinds = []struct {
	kind traffic.Kind
	name string
}{
	{traffic.New, "new connections"}, {traffic.KeepAlive, "keep-alive"}, {traffic.Download, "slow downloads"},
	{traffic.Stream, "streams"}, {traffic.Unix, "unix socket"},
}

func (f *figures) printTraffic(w io.Writer) {
	var table strings.Builder
	t := tabwriter.NewWriter(&table, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%-*s\tok\tfailed\tstale retries\tlongest gap\t\n", nameWidth, "requests")
	row := func(name string, s traffic.Summary) {
		fmt.Fprintf(t, "%-*s\t%d\t%d\t%d\t%.0f ms\t\n", nameWidth, name, s.OK, s.Failed, s.StaleRetries, s.LongestGapMS)
	}
	for _, k := range kinds {
		row(k.name, f.report.Kinds[k.kind])
	}
	row("all", f.report.Total)
	t.Flush()
	fmt.Fprint(w, table.String())
	fmt.Fprintf(w, "\nIn %.0f s %d messages of streams came back as well. A stale retry is a request on an idle keep-alive\n"+
		"connection that nginx was just closing, as on every reload; clients repeat it, and it succeeds.\n",
		float64(f.report.DurationMS)/1000, f.report.Total.Echoes)
	for _, failure := range f.report.Failures {
		fmt.Fprintf(w, "failed: %s: %s: %s\n", failure.Client, failure.Kind, failure.Text)
	}
}
