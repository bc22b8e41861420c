package main

import (
	"fmt"
	"io"
	"time"
)

// story tells what happens, with the seconds since its beginning.
type story struct {
	w     io.Writer
	began time.Time
}

func newStory(w io.Writer) *story { return &story{w, time.Now()} }

func (s *story) heading(text string) { fmt.Fprintf(s.w, "%s\n\n", text) }

// step tells what is done now.
func (s *story) step(format string, args ...any) { s.line(time.Now(), fmt.Sprintf(format, args...)) }

// remark adds to the step before it.
func (s *story) remark(format string, args ...any) {
	fmt.Fprintf(s.w, "          %s\n", fmt.Sprintf(format, args...))
}

// entry tells what the journal has.
func (s *story) entry(e entry) { s.line(e.at, "| "+e.message) }

func (s *story) line(at time.Time, text string) {
	fmt.Fprintf(s.w, "%6.1f s  %s\n", at.Sub(s.began).Seconds(), text)
}
