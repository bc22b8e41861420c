//go:build box

package packages

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// row is the account of one run of a package manager under traffic.
type row struct {
	test, release, scenario string
	ours                    bool
	traffic                 *traffic.Report
	cycles                  []supervisor.Record
	before, after           int // MainPID
	exit                    int
	took                    time.Duration
	output                  string
}

// rows are all accounts, for the table at the end.
var rows struct {
	sync.Mutex
	list []*row
}

// table shows rows side by side, those of a release together, and of a test in
// their order.
func table(list []*row) string {
	slices.SortStableFunc(list, func(a, b *row) int {
		return cmp.Or(cmp.Compare(a.release, b.release), cmp.Compare(a.test, b.test))
	})
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "release\tscenario\tnginx-hotswap\tok\tfailed\tby kind\tstale\tgap ms\tcycles\tMainPID\tstatus\tseconds")
	for _, r := range list {
		with := "no"
		if r.ours {
			with = "yes"
		}
		total := r.traffic.Total
		// Tunnels and downloads that are open go on while nobody else gets in.
		gap := r.traffic.Kinds[traffic.New].LongestGapMS
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%d\t%.0f\t%s\t%d->%d\t%d\t%.1f\n", r.release, r.scenario, with,
			total.OK, total.Failed, kinds(total.ByKind), total.StaleRetries, gap, results(r.cycles),
			r.before, r.after, r.exit, r.took.Seconds())
	}
	w.Flush()
	return b.String()
}

func kinds(counts map[string]int) string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		if counts[kind] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", kind, counts[kind]))
		}
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

// results lists cycles as "upgraded by dpkg".
func results(cycles []supervisor.Record) string {
	var parts []string
	for _, c := range cycles {
		parts = append(parts, fmt.Sprintf("%s by %s", c.Result, c.Origin))
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

// under runs a script, a package manager, under traffic until all that it has
// started is over.
func (m *machine) under(scenario, script string) *row {
	m.t.Helper()
	return m.account(scenario, script, !m.control)
}

// underAlone does the same where the daemon is stopped.
func (m *machine) underAlone(scenario, script string) *row {
	m.t.Helper()
	return m.account(scenario, script, false)
}

func (m *machine) account(scenario, script string, daemon bool) *row {
	m.t.Helper()
	known := len(m.history())
	r := &row{test: m.t.Name(), release: m.release, scenario: scenario, ours: !m.control, before: m.mainPID()}
	load := m.startLoad()
	start := time.Now()
	r.output, r.exit = m.try(script)
	r.took = time.Since(start)
	if daemon {
		m.idle()
	}
	r.traffic = load.stop()
	r.cycles = m.history()[known:]
	r.after = m.mainPID()
	rows.Lock()
	rows.list = append(rows.list, r)
	rows.Unlock()
	m.t.Logf("%s\n%s", table([]*row{r}), r.output)
	return r
}
