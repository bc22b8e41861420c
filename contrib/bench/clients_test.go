package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

// answers is a run with so many failures of a kind and that p99.9.
func answers(kind string, failed int, late int64) *traffic.Report {
	total := traffic.Summary{Requests: 100, OK: 100 - failed, Failed: failed, StaleRetries: 2, LatencyUS: traffic.Latency{P999: late}}
	if failed > 0 {
		total.ByKind = map[string]int{kind: failed}
	}
	return &traffic.Report{Total: total}
}

func TestClientsSection(t *testing.T) {
	s := clientsSection(2, []*noticed{
		{"old", wayFloor, []*traffic.Report{answers(traffic.Cut, 0, 1000), answers(traffic.Cut, 1, 3000)}},
		{"old", wayWatcher, []*traffic.Report{answers(traffic.Cut, 0, 2100), answers(traffic.Cut, 0, 2100)}},
		{"new", wayFloor, []*traffic.Report{answers(traffic.Cut, 0, 1000)}},
		{"new", wayOurPackage, []*traffic.Report{answers(traffic.DownloadCut, 2, 1500), answers(traffic.StreamCut, 1, 1500)}},
	})
	var lines []string
	for _, g := range s.goals {
		lines = append(lines, g.String())
	}
	want := []string{
		"**reached**: failed and cut, old, nginx-hotswap, by its watcher: 0 (at most 0)",
		"**reached**: p99.9, of the floor's, old, nginx-hotswap, by its watcher: 1.05 times (at most 1.1 times)",
		"**missed**: failed and cut, new, nginx-hotswap, package upgrade: 3 (at most 0)",
		"**missed**: p99.9, of the floor's, new, nginx-hotswap, package upgrade: 1.5 times (at most 1.1 times)",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
	if s.lost == nil || !strings.Contains(s.lost.Error(), "package upgrade: 3 requests failed: "+traffic.DownloadCut+" 2, "+traffic.StreamCut+" 1") || strings.Contains(s.lost.Error(), "watcher") {
		t.Errorf("lost: %v", s.lost)
	}
	if len(s.tables) != 2 || len(s.tables[0].table) != 3 {
		t.Fatalf("%v", s.tables)
	}
	if diff := cmp.Diff([]string{wayOurPackage, "200", "3", traffic.DownloadCut + " 2, " + traffic.StreamCut + " 1", "2", "1", "4"}, s.tables[1].table[2][:7]); diff != "" {
		t.Error(diff)
	}
	square(t, s)
}

func TestBadSection(t *testing.T) {
	runs := make([][]badRun, len(badWays))
	back := []float64{30, 250, 50}
	for i := range badWays {
		for n := range back {
			run := badRun{Report: answers(traffic.Cut, 5, 1)}
			if badWays[i].ours && i > 1 {
				run.Back = &back[n]
			}
			runs[i] = append(runs[i], run)
		}
	}
	s := badSection(runs)
	if len(s.goals) != 1 || s.goals[0].measured != 50 || s.lost != nil {
		t.Errorf("%v, lost %v", s.goals, s.lost)
	}
	square(t, s)
}

func TestKeepAliveSection(t *testing.T) {
	runs := make([][]*traffic.Report, len(keepAliveWays))
	for i := range runs {
		runs[i] = []*traffic.Report{answers(traffic.Cut, i%2*3, 1)} // ours are every second
	}
	s := keepAliveSection("some", runs)
	if s.lost == nil || len(s.goals) != 2 || s.goals[0].reached() {
		t.Errorf("%v, lost %v", s.goals, s.lost)
	}
	square(t, s)
}
