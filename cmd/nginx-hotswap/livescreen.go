package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// screen shows a picture of the instances on a terminal and replaces it when
// something has changed. It stays on the ordinary screen, so that the last
// picture can be read afterwards.
type screen struct {
	terminal *terminal

	mu    sync.Mutex // keep is called by others
	lines []string   // the picture
	drawn int        // lines that the cursor stands below
}

// Sequences of ECMA-48 and, with the question mark, of the VT220: all
// terminals that are not dumb know them.
const (
	hideCursor  = "\x1b[?25l"
	showCursor  = "\x1b[?25h"
	noMargin    = "\x1b[?7l" // what is too long is cut, not continued below
	margin      = "\x1b[?7h"
	clearLine   = "\x1b[K" // from the cursor on
	clearBelow  = "\x1b[J"
	clearScreen = "\x1b[H\x1b[2J"
)

func newScreen(t *terminal) *screen { return &screen{terminal: t} }

func (s *screen) begin() { s.write(hideCursor) }

func (s *screen) end() { s.write(showCursor) }

// show replaces the picture.
func (s *screen) show(list []supervisor.Status, now time.Time) {
	columns, rows := s.terminal.size()
	s.mu.Lock()
	defer s.mu.Unlock()
	// The cursor stands below the picture.
	s.lines = render(list, now, canvas{width: columns, height: max(rows-1, 1), color: s.terminal.color})
	s.draw(nil)
}

// keep writes lines that stay, above the picture.
func (s *screen) keep(text string) {
	columns, _ := s.terminal.size()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draw(wrap(text, columns))
}

// resized begins anew: where the lines of a picture are after the terminal has
// wrapped them otherwise, only it knows.
func (s *screen) resized() {
	s.write(clearScreen)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drawn = 0
}

func (s *screen) draw(above []string) {
	var b strings.Builder
	b.WriteString(noMargin)
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.drawn)
	}
	for _, text := range append(above, s.lines...) {
		b.WriteString("\r" + text + clearLine + "\n")
	}
	b.WriteString(clearBelow + margin)
	s.drawn = len(s.lines)
	s.write(b.String())
}

// write needs no error: when the terminal is gone, so are we.
func (s *screen) write(text string) { _, _ = s.terminal.file.WriteString(text) }
