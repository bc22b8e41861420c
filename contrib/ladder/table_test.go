package ladder

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

func TestTable(t *testing.T) {
	report := func(ok, failed, stale int, gap float64) *traffic.Report {
		return &traffic.Report{Total: traffic.Summary{OK: ok, Failed: failed, StaleRetries: stale, LongestGapMS: 1},
			Kinds: map[traffic.Kind]traffic.Summary{traffic.New: {LongestGapMS: gap}}}
	}
	var got strings.Builder
	Table(&got, []Row{{"1.18 -> 1.22", report(5012, 0, 3, 12.6)}, {"1.22 -> 1.18, rolled back", report(700, 1, 0, 2)}})
	want := `step                       requests ok   failed   stale retries   longest gap
1.18 -> 1.22                      5012        0               3         13 ms
1.22 -> 1.18, rolled back          700        1               0          2 ms
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}

func TestShort(t *testing.T) {
	for version, want := range map[string]string{"1.22.1": "1.22", "1.30.10": "1.30", "": ""} {
		if got := (Rung{Version: version}).Short(); got != want {
			t.Errorf("%q: got %q, want %q", version, got, want)
		}
	}
}
