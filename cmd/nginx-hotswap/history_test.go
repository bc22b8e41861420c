package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// pastCycle was rolled back. Some of it wants to speak to the terminal.
func pastCycle() *supervisor.Record {
	began := time.Date(2026, 11, 22, 9, 14, 3, 482e6, time.UTC)
	rec := &supervisor.Record{Version: 1, ID: "20261122T091403.482-k3xq7", Instance: "nginx", Unit: "nginx.service", Origin: supervisor.OriginDpkg,
		Result: supervisor.RolledBack, Reason: "probe says \x1b[2J\x1b]0;gone\a\nand more", Started: began, Drift: "/etc/nginx/\u202egnc.xnign",
		Old:       supervisor.Generation{PID: 2371, Version: "1.26.3", SHA256: "aa11"},
		Successor: supervisor.Generation{PID: 2402, Version: "1.28.0\x00", SHA256: "bb22"}}
	at := began
	for _, s := range []struct {
		phase supervisor.Phase
		ms    int64
	}{{supervisor.Verifying, 200}, {supervisor.Starting, 41}, {supervisor.Soaking, 3000}, {supervisor.Reviving, 1}, {supervisor.Dismissing, 758}} {
		rec.Steps = append(rec.Steps, supervisor.StepRecord{Phase: s.phase, Started: at, DurationMS: s.ms})
		at = at.Add(time.Duration(s.ms) * time.Millisecond)
	}
	rec.Finished = &at
	return rec
}

func TestPrintCycle(t *testing.T) {
	var got strings.Builder
	if err := printCycle(&got, pastCycle(), time.UTC); err != nil {
		t.Fatal(err)
	}
	const want = `
Cycle 20261122T091403.482-k3xq7 of nginx, by dpkg: rolled-back
Reason: probe says [2J]0;gone and more
Configuration: /etc/nginx/gnc.xnign was changed since the old master loaded it
Began:     2026-11-22 09:14:03, took 4.0s
Old:       nginx 1.26.3, master 2371, SHA-256 aa11
Successor: nginx 1.28.0, master 2402, SHA-256 bb22

PHASE       STARTED       OFFSET  TOOK   TIMELINE
verifying   09:14:03.482  +0ms    200ms  #
starting    09:14:03.682  +200ms  41ms    #
soaking     09:14:03.723  +241ms  3.0s    #######################
reviving    09:14:06.723  +3.2s   1ms                            #
dismissing  09:14:06.724  +3.2s   758ms                          ######
`
	if diff := cmp.Diff(want, "\n"+got.String()); diff != "" {
		t.Error(diff)
	}
}

// What is not known is not told.
func TestPrintShortCycle(t *testing.T) {
	rec := pastCycle()
	rec.Reason, rec.Drift, rec.Steps = "", "", nil
	rec.Successor.PID, rec.Successor.Version = 0, ""
	var got strings.Builder
	if err := printCycle(&got, rec, time.UTC); err != nil {
		t.Fatal(err)
	}
	const want = `
Cycle 20261122T091403.482-k3xq7 of nginx, by dpkg: rolled-back
Began:     2026-11-22 09:14:03, took 4.0s
Old:       nginx 1.26.3, master 2371, SHA-256 aa11
Successor: nginx of unknown version, SHA-256 bb22

No phase was recorded.
`
	if diff := cmp.Diff(want, "\n"+got.String()); diff != "" {
		t.Error(diff)
	}
}

func TestPrintHistory(t *testing.T) {
	running := pastCycle()
	running.Finished, running.Reason, running.Result = nil, strings.Repeat("é", 70), "?"
	running.Successor.Version = ""
	var got strings.Builder
	if err := printHistory(&got, []*supervisor.Record{pastCycle(), running}, time.UTC); err != nil {
		t.Fatal(err)
	}
	want := `
ID                         STARTED              INSTANCE  FROM    TO      BY    RESULT       TOOK  REASON
20261122T091403.482-k3xq7  2026-11-22 09:14:03  nginx     1.26.3  1.28.0  dpkg  rolled-back  4.0s  probe says [2J]0;gone and more
20261122T091403.482-k3xq7  2026-11-22 09:14:03  nginx     1.26.3  -       dpkg  ?            -     ` + strings.Repeat("é", 59) + "…\n"
	if diff := cmp.Diff(want, "\n"+got.String()); diff != "" {
		t.Error(diff)
	}
}

func TestTimelineBar(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		offset, took, whole time.Duration
		spaces, marks       int
	}{
		{0, 30 * s, 30 * s, 0, 30},
		{0, s, 30 * s, 0, 1},
		{10 * s, 10 * s, 30 * s, 10, 10},
		{30 * s, 0, 30 * s, 29, 1},      // the end is seen
		{5 * s, time.Hour, s, 29, 1},    // the clock was set
		{-5 * s, 10 * s, 10 * s, 0, 15}, // the clock was set back
		{0, 0, 0, 0, 1},
	} {
		want := strings.Repeat(" ", test.spaces) + strings.Repeat("#", test.marks)
		if got := bar(test.offset, test.took, test.whole); got != want {
			t.Errorf("%v for %v of %v: %q, not %q", test.offset, test.took, test.whole, got, want)
		}
	}
}

// TestReportIsReadable by those that the umask lets, and has nothing in it that
// speaks to a terminal.
func TestReportIsReadable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.html")
	p := places{store: supervisor.Store{Runtime: t.TempDir(), State: t.TempDir()}}
	if err := p.writeReport(t.Context(), nil, file, pastCycle()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm()&0o400 == 0 || info.Mode().Perm()&0o022 != 0 {
		t.Errorf("%v, %v", info, err)
	}
	page, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(page), "rolled back") || strings.ContainsAny(string(page), "\x00\x1b\a\u202e") {
		t.Errorf("%v, %d bytes", err, len(page))
	}
}
