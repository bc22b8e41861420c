package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestResults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "RESULTS.md")
	r := results{where: "2026-01-02: 2 × Some CPU.", sections: []*section{
		{title: "First", text: "How.", tables: []captioned{{"What.", table{{"a"}, {"1"}}}}, goals: []goal{{"much", 3, 2, " ms"}}, raw: []int{1, 2}},
		{title: "Second", lost: errors.New("three requests")},
	}}
	if err := r.save(path); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2 × Some CPU.", "[RESULTS.json](RESULTS.json)", "- **missed**: much: 3 ms (at most 2 ms)\n", "## First\n\nHow.\n\nWhat.\n\n| a |\n", "## Second\n"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	raw, err := os.ReadFile(filepath.Join(filepath.Dir(path), "RESULTS.json"))
	if err != nil {
		t.Fatal(err)
	}
	var figures map[string][]int
	if err := json.Unmarshal(raw, &figures); err != nil || len(figures["First"]) != 2 {
		t.Errorf("figures %s: %v", raw, err)
	}
	if err := r.lost(); err == nil || err.Error() != "three requests" {
		t.Errorf("lost: %v", err)
	}
}

// A part that could not be measured leaves what there was alone.
func TestResultsOfNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "RESULTS.md")
	if err := (results{}).save(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
