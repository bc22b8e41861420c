package supervisor

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Infinity is the time span without end.
const Infinity = time.Duration(math.MaxInt64)

// plus adds time spans. What is added to one without end has none either.
func plus(a, b time.Duration) time.Duration {
	if a > Infinity-b {
		return Infinity
	}
	return a + b
}

// A year of systemd has 365.25 days, a month is the twelfth of it, to the
// microsecond.
const (
	year  = 365*24*time.Hour + 6*time.Hour
	month = 30*24*time.Hour + 10*time.Hour + 30*time.Minute
)

var timeUnits = map[string]time.Duration{
	"us": time.Microsecond, "usec": time.Microsecond, "µs": time.Microsecond, "μs": time.Microsecond,
	"ms": time.Millisecond, "msec": time.Millisecond,
	"": time.Second, "s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
	"w": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour, "weeks": 7 * 24 * time.Hour,
	"M": month, "month": month, "months": month,
	"y": year, "year": year, "years": year,
}

// ParseTimeSpan reads a time span as systemd.time(7) defines it: "10", "2min",
// "1h 30min", "infinity". A number without a unit means seconds.
func ParseTimeSpan(text string) (time.Duration, error) {
	rest := strings.TrimSpace(text)
	if rest == "infinity" {
		return Infinity, nil
	}
	if rest == "" {
		return 0, fmt.Errorf("not a time span: %q", text)
	}
	var total time.Duration
	for rest != "" {
		number, after := cutFunc(rest, func(r rune) bool { return r >= '0' && r <= '9' || r == '.' })
		after = strings.TrimLeft(after, " \t")
		word, after := cutFunc(after, func(r rune) bool { return r >= 'a' && r <= 'z' || r == 'M' || r == 'µ' || r == 'μ' })
		unit, known := timeUnits[word]
		value, err := strconv.ParseFloat(number, 64)
		if err != nil || !known {
			return 0, fmt.Errorf("not a time span: %q (write for example 30s, 5min or infinity)", text)
		}
		span := value * float64(unit)
		if span+float64(total) > float64(math.MaxInt64/2) {
			return 0, fmt.Errorf("time span %q is too long (write infinity)", text)
		}
		total += time.Duration(math.Round(span))
		rest = strings.TrimLeft(after, " \t")
	}
	return total.Round(time.Microsecond), nil
}

// cutFunc cuts before the first rune that does not satisfy f.
func cutFunc(s string, f func(rune) bool) (before, after string) {
	i := strings.IndexFunc(s, func(r rune) bool { return !f(r) })
	if i < 0 {
		i = len(s)
	}
	return s[:i], s[i:]
}

// FormatTimeSpan writes a time span as ParseTimeSpan reads it.
func FormatTimeSpan(d time.Duration) string {
	if d == Infinity {
		return "infinity"
	}
	if d == 0 {
		return "0"
	}
	var words []string
	for _, u := range []struct {
		name string
		size time.Duration
	}{
		{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute},
		{"s", time.Second}, {"ms", time.Millisecond}, {"us", time.Microsecond},
	} {
		if n := d / u.size; n > 0 {
			words = append(words, strconv.FormatInt(int64(n), 10)+u.name)
			d -= n * u.size
		}
	}
	return strings.Join(words, " ")
}
