package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// terminal is where a person looks. On a smart one text can be replaced.
type terminal struct {
	file  *os.File
	smart bool
	color bool
}

// terminalOf returns the terminal that is written to, or nil.
func terminalOf(w io.Writer) *terminal {
	file, ok := w.(*os.File)
	if !ok {
		return nil
	}
	if _, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS); err != nil {
		return nil
	}
	kind := os.Getenv("TERM")
	smart := kind != "" && kind != "dumb"
	return &terminal{file: file, smart: smart, color: smart && os.Getenv("NO_COLOR") == ""}
}

// size is how many columns and rows the terminal has, or most likely has where
// it does not tell.
func (t *terminal) size() (columns, rows int) {
	columns, rows = 80, 24
	size, err := unix.IoctlGetWinsize(int(t.file.Fd()), unix.TIOCGWINSZ)
	if err == nil && size.Col > 0 {
		columns = int(size.Col)
	}
	if err == nil && size.Row > 0 {
		rows = int(size.Row)
	}
	return columns, rows
}

// page is the canvas for what is written once: as long as it needs to be.
func page(w io.Writer) canvas {
	t := terminalOf(w)
	if t == nil {
		return canvas{}
	}
	columns, _ := t.size()
	return canvas{width: columns, color: t.color}
}
