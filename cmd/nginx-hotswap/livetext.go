package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// style is the parameter of an SGR sequence.
type style string

const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	cyan   style = "36"
)

// span is text of one style. It has no control characters: reasons and nginx's
// log lines come from outside and must not write to the terminal what they like.
type span struct {
	text  string
	style style
}

func styled(s style, format string, args ...any) span {
	return span{printable(fmt.Sprintf(format, args...)), s}
}

// line is one line of a screen.
type line []span

func plainLine(format string, args ...any) line { return line{styled(plain, format, args...)} }

// cells is how wide the line is.
func (l line) cells() int {
	sum := 0
	for _, s := range l {
		sum += cells(s.text)
	}
	return sum
}

// fit cuts what is wider than a screen; 0 is a screen without end.
func (l line) fit(width int) line {
	if width == 0 || l.cells() <= width {
		return l
	}
	var short line
	left := width
	for _, s := range l {
		if w := cells(s.text); w < left {
			short, left = append(short, s), left-w
			continue
		}
		return append(short, span{head(s.text, left-1) + "…", s.style})
	}
	return short
}

// text is the line as it is written.
func (l line) text(color bool) string {
	var b strings.Builder
	for _, s := range l {
		if color && s.style != plain {
			fmt.Fprintf(&b, "\x1b[%sm%s\x1b[0m", s.style, s.text)
			continue
		}
		b.WriteString(s.text)
	}
	return strings.TrimRight(b.String(), " ")
}

// printable is the text in one line, without control and format characters.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return -1
		}
		return r // what is not UTF-8 becomes U+FFFD on the way
	}, text)
}

// printableLines is printable for a text of several lines.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// cells is how many cells of a terminal a printable text takes.
func cells(text string) int {
	sum := 0
	for _, r := range text {
		sum += cellsOf(r)
	}
	return sum
}

// wide are the blocks whose characters take two cells, roughly as wcwidth(3)
// has them. Lines are written with automatic margins off: a wrong guess costs a
// character at the edge and not the picture.
var wide = &unicode.RangeTable{R16: []unicode.Range16{
	{Lo: 0x1100, Hi: 0x115f, Stride: 1}, {Lo: 0x2e80, Hi: 0xa4cf, Stride: 1}, {Lo: 0xac00, Hi: 0xd7a3, Stride: 1},
	{Lo: 0xf900, Hi: 0xfaff, Stride: 1}, {Lo: 0xfe30, Hi: 0xfe6f, Stride: 1}, {Lo: 0xff00, Hi: 0xff60, Stride: 1},
	{Lo: 0xffe0, Hi: 0xffe6, Stride: 1},
}, R32: []unicode.Range32{
	{Lo: 0x1f300, Hi: 0x1f64f, Stride: 1}, {Lo: 0x1f680, Hi: 0x1f6ff, Stride: 1}, {Lo: 0x1f900, Hi: 0x1f9ff, Stride: 1},
	{Lo: 0x20000, Hi: 0x3fffd, Stride: 1},
}}

func cellsOf(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}

// head is the beginning of a text that fits into so many cells.
func head(text string, most int) string {
	for i, r := range text {
		if most -= cellsOf(r); most < 0 {
			return text[:i]
		}
	}
	return text
}

// wrap breaks a text into lines of so many cells, between words where that is
// possible; 0 is a screen without end.
func wrap(text string, width int) []string {
	text = printable(text)
	if width <= 0 {
		return []string{text}
	}
	var lines []string
	now := ""
	for word := range strings.FieldsSeq(text) {
		if now != "" && cells(now)+1+cells(word) <= width {
			now += " " + word
			continue
		}
		if now != "" {
			lines = append(lines, now)
		}
		for now = word; cells(now) > width; {
			part := head(now, width)
			if part == "" {
				_, size := utf8.DecodeRuneInString(now)
				part = now[:size]
			}
			lines, now = append(lines, part), now[len(part):]
		}
	}
	if now != "" || len(lines) == 0 {
		lines = append(lines, now)
	}
	return lines
}
