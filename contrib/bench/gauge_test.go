package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestParseTicks(t *testing.T) {
	const stat = "71 (a ) b) S 1 71 71 0 -1 4194560 5 0 0 0 13 4 0 0 20 0 7 0 99 12 3"
	if got, err := parseTicks([]byte(stat)); err != nil || got != 17 {
		t.Errorf("got %d, %v", got, err)
	}
	for _, bad := range []string{"", "71 (x) S 1 2 3", "71 (x) S 1 71 71 0 -1 4194560 5 0 0 0 a 4 0"} {
		if got, err := parseTicks([]byte(bad)); err == nil {
			t.Errorf("%q: %d", bad, got)
		}
	}
}

func TestValue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "status")
	if err := os.WriteFile(path, []byte("Name:\tx\nVmRSS:\t  12340 kB\nRssAnon:\t7 kB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := value(path, "RssAnon:"); err != nil || got != 7 {
		t.Errorf("got %d, %v", got, err)
	}
	for _, key := range []string{"Name:", "VmSize:", "RssAnon"} {
		if got, err := value(path, key); err == nil {
			t.Errorf("%s: %d", key, got)
		}
	}
}

func TestUsage(t *testing.T) {
	u := usage{Seconds: 20, CPUms: 100, WakeUps: 30}
	if u.share() != 0.5 || u.wakeUpsPerSecond() != 1.5 {
		t.Errorf("%v %%, %v a second", u.share(), u.wakeUpsPerSecond())
	}
}

func TestIdleSection(t *testing.T) {
	s := idleSection([]idleCost{
		{1, []usage{{Seconds: 60, Ticks: 1, WakeUps: 90, RSS: 12}}}, {10, []usage{{Seconds: 60, RSS: 99}}}, {200, []usage{{Seconds: 60, RSS: 50}}},
	}, 1<<20)
	var verdicts []bool
	for _, g := range s.goals {
		verdicts = append(verdicts, g.reached())
	}
	// Ticks, wake-ups and memory with one instance, memory with 200.
	if len(verdicts) != 4 || verdicts[0] || verdicts[1] || !verdicts[2] || verdicts[3] {
		t.Errorf("%v", s.goals)
	}
	square(t, s)
}

func TestDrainSection(t *testing.T) {
	with := func(ms float64) []usage { return []usage{{Seconds: 10, CPUms: ms}, {Seconds: 10, CPUms: ms}} }
	s := drainSection([]drainCost{{100, with(20)}, {10000, with(90)}, {50000, with(40)}})
	if len(s.goals) != 2 || s.goals[0].measured != 0.4 || !s.goals[0].reached() || s.goals[1].measured != 0.2 || s.goals[1].reached() {
		t.Errorf("%v", s.goals)
	}
	square(t, s)
}
