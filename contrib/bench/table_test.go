package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTable(t *testing.T) {
	tab := table{{"what", "ms"}}
	tab.row("a crash", "1 (–)")
	tab.row("more", "")
	var b strings.Builder
	tab.write(&b)
	want := "| what    | ms    |\n| ------- | ----- |\n| a crash | 1 (–) |\n| more    |       |\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}
