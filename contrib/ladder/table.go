package ladder

import (
	"fmt"
	"io"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

// Row is the account of one step under traffic.
type Row struct {
	Step   string
	Report *traffic.Report
}

// Table writes the steps for a person to read. The longest gap is that of new
// connections: tunnels and downloads go on while nobody else gets in.
func Table(w io.Writer, rows []Row) {
	width := len("step")
	for _, r := range rows {
		width = max(width, len(r.Step))
	}
	fmt.Fprintf(w, "%-*s  requests ok   failed   stale retries   longest gap\n", width, "step")
	for _, r := range rows {
		total := r.Report.Total
		fmt.Fprintf(w, "%-*s  %11d   %6d   %13d   %8.0f ms\n", width, r.Step, total.OK, total.Failed, total.StaleRetries,
			r.Report.Kinds[traffic.New].LongestGapMS)
	}
}
