package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// table is one in Markdown. The first row is its head.
type table [][]string

func (t *table) row(cells ...string) { *t = append(*t, cells) }

// write prints the table with its columns aligned, for those who read it as it is.
func (t table) write(w io.Writer) {
	var widths []int
	for _, row := range t {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for i, row := range t {
		writeRow(w, row, widths)
		if i == 0 {
			rule := make([]string, len(widths))
			for j, width := range widths {
				rule[j] = strings.Repeat("-", width)
			}
			writeRow(w, rule, widths)
		}
	}
}

func writeRow(w io.Writer, row []string, widths []int) {
	var b strings.Builder
	for i, cell := range row {
		fmt.Fprintf(&b, "| %-*s ", widths[i], cell)
	}
	fmt.Fprintln(w, b.String()+"|")
}
