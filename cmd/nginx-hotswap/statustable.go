package main

import (
	"slices"
	"strings"
)

// column is one of a table. Where the screen is too narrow the one with the
// highest rank goes first; rank 0 stays.
type column struct {
	title string
	rank  int
	cells []span
}

func (c column) width() int {
	most := cells(c.title)
	for _, s := range c.cells {
		most = max(most, cells(s.text))
	}
	return most
}

// between separates two columns.
const between = 2

// tableLines draws a table of at most so many cells; 0 is a screen without end.
func tableLines(columns []column, width int) []line {
	for width > 0 && tableWidth(columns) > width {
		last := slices.MaxFunc(columns, func(a, b column) int { return a.rank - b.rank })
		if last.rank == 0 {
			break
		}
		columns = slices.DeleteFunc(slices.Clone(columns), func(c column) bool { return c.rank == last.rank })
	}
	lines := []line{row(columns, func(c column) span { return span{c.title, bold} })}
	for i := range columns[0].cells {
		lines = append(lines, row(columns, func(c column) span { return c.cells[i] }))
	}
	for i := range lines {
		lines[i] = lines[i].fit(width)
	}
	return lines
}

func tableWidth(columns []column) int {
	sum := between * (len(columns) - 1)
	for _, c := range columns {
		sum += c.width()
	}
	return sum
}

func row(columns []column, cell func(column) span) line {
	var l line
	for i, c := range columns {
		s := cell(c)
		l = append(l, s)
		if i < len(columns)-1 {
			l = append(l, span{strings.Repeat(" ", c.width()-cells(s.text)+between), plain})
		}
	}
	return l
}
