package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// vt is a terminal: it knows the sequences that a screen may use, and no other.
type vt struct {
	columns, rows int
	cells         [][]rune
	x, y          int
	above         []string // what has scrolled out
	hidden        bool     // the cursor
	noMargin      bool
	colors        int    // SGR sequences
	rest          []byte // the beginning of a character or sequence
	err           error
}

func newVT(columns, rows int) *vt {
	v := &vt{columns: columns, rows: rows}
	v.clear()
	return v
}

func (v *vt) clear() {
	v.cells = make([][]rune, v.rows)
	for i := range v.cells {
		v.cells[i] = blank(v.columns)
	}
}

func blank(n int) []rune { return []rune(strings.Repeat(" ", n)) }

// resize is what a terminal does that does not wrap lines anew.
func (v *vt) resize(columns, rows int) {
	old := v.cells
	v.columns, v.rows = columns, rows
	v.clear()
	for i := range min(len(old), rows) {
		copy(v.cells[i], old[i])
	}
	v.x, v.y = min(v.x, columns-1), min(v.y, rows-1)
}

// write takes what a program writes.
func (v *vt) write(data []byte) {
	v.rest = append(v.rest, data...)
	for len(v.rest) > 0 && v.err == nil {
		n := v.next()
		if n == 0 {
			return
		}
		v.rest = v.rest[n:]
	}
}

// next takes one character or sequence and returns its length, or 0 when it is
// not there in full.
func (v *vt) next() int {
	switch c := v.rest[0]; {
	case c == '\r':
		v.x = 0
	case c == '\n':
		v.feed()
	case c == 0x1b:
		return v.sequence()
	case c < 0x20 || c == 0x7f:
		v.err = fmt.Errorf("control character %q", c)
	default:
		if !utf8.FullRune(v.rest) {
			return 0
		}
		r, n := utf8.DecodeRune(v.rest)
		v.put(r)
		return n
	}
	return 1
}

func (v *vt) feed() {
	if v.y++; v.y < v.rows {
		return
	}
	v.y = v.rows - 1
	v.above = append(v.above, text(v.cells[0]))
	v.cells = append(v.cells[1:], blank(v.columns))
}

func (v *vt) put(r rune) {
	if v.x == v.columns {
		if v.noMargin {
			v.x--
		} else {
			v.x = 0
			v.feed()
		}
	}
	v.cells[v.y][v.x] = r
	v.x++
}

func (v *vt) sequence() int {
	if len(v.rest) < 3 {
		return 0
	}
	if v.rest[1] != '[' {
		v.err = fmt.Errorf("sequence %q", v.rest[:2])
		return 2
	}
	for i := 2; i < len(v.rest); i++ {
		if c := v.rest[i]; c >= 0x40 && c <= 0x7e {
			v.control(string(v.rest[2:i]), c)
			return i + 1
		}
	}
	return 0
}

func (v *vt) control(parameter string, final byte) {
	switch what := parameter + string(final); {
	case what == "?25l" || what == "?25h":
		v.hidden = final == 'l'
	case what == "?7l" || what == "?7h":
		v.noMargin = final == 'l'
	case what == "H":
		v.x, v.y = 0, 0
	case what == "2J":
		v.clear()
	case what == "K":
		v.clearLine()
	case what == "J":
		v.clearLine()
		for y := v.y + 1; y < v.rows; y++ {
			v.cells[y] = blank(v.columns)
		}
	case final == 'A':
		n, err := strconv.Atoi(parameter)
		v.y, v.err = max(v.y-n, 0), err
	case final == 'm':
		v.colors++
	default:
		v.err = fmt.Errorf("unknown sequence %q", what)
	}
}

func (v *vt) clearLine() {
	if v.x < v.columns {
		copy(v.cells[v.y][v.x:], blank(v.columns-v.x))
	}
}

func text(row []rune) string { return strings.TrimRight(string(row), " ") }

// screen is what one sees, without empty lines at the end.
func (v *vt) screen() []string {
	lines := make([]string, v.rows)
	last := 0
	for i, row := range v.cells {
		if lines[i] = text(row); lines[i] != "" {
			last = i + 1
		}
	}
	return lines[:last]
}

// all is what one sees when one scrolls back.
func (v *vt) all() []string { return append(append([]string{}, v.above...), v.screen()...) }
