package report

import (
	"strings"
	"time"
	"unicode"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// plain is a text from outside without control and format characters: one that
// turns the direction of writing around could make a reason read as another.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, text)
}

func orDash(text string) string {
	if text == "" {
		return "–"
	}
	return plain(text)
}

func from(rec *supervisor.Record) string { return orDash(rec.Old.Version) }

func to(rec *supervisor.Record) string {
	if rec.Successor.Version == "" {
		return "unknown"
	}
	return plain(rec.Successor.Version)
}

func (r Report) time(t time.Time) string {
	return t.In(r.Made.Location()).Format("2006-01-02 15:04:05 MST")
}

func (r Report) clock(t time.Time) string {
	return t.In(r.Made.Location()).Format("15:04:05.000")
}

// span is a time span for people: 21 ms, 3.2 s, 1 min 12 s, 5 h 3 min.
func span(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Second:
		return number(float64(d.Milliseconds()), 0) + " ms"
	case d < time.Minute:
		return number(d.Truncate(100*time.Millisecond).Seconds(), 1) + " s"
	case d < time.Hour:
		return pair(int(d/time.Minute), "min", int(d%time.Minute/time.Second), "s")
	case d < 48*time.Hour:
		return pair(int(d/time.Hour), "h", int(d%time.Hour/time.Minute), "min")
	}
	return pair(int(d/(24*time.Hour)), "d", int(d%(24*time.Hour)/time.Hour), "h")
}

// offset is a time since the beginning of the cycle.
func (r Report) offset(t time.Time) string { return offset(t.Sub(r.Record.Started)) }

func offset(d time.Duration) string {
	switch {
	case d > -time.Millisecond && d < time.Millisecond:
		return "0"
	case d < 0:
		return "−" + exact(-d)
	}
	return "+" + exact(d)
}

// exact is span to the millisecond, where those count.
func exact(d time.Duration) string {
	if d < time.Second || d >= time.Minute {
		return span(d)
	}
	return number(d.Truncate(time.Millisecond).Seconds(), 3) + " s"
}
