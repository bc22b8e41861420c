package supervisor_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

func TestParseTimeSpan(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"0":                         0,
		"10":                        10 * time.Second,
		" 10 ":                      10 * time.Second,
		"30s":                       30 * time.Second,
		"1.5s":                      1500 * time.Millisecond,
		".5s":                       500 * time.Millisecond,
		"1.5":                       1500 * time.Millisecond,
		"2min":                      2 * time.Minute,
		"2 min":                     2 * time.Minute,
		"1h 30min":                  90 * time.Minute,
		"1h30min":                   90 * time.Minute,
		"1h\t30min":                 90 * time.Minute,
		"1h 30":                     time.Hour + 30*time.Second,
		"5 5":                       10 * time.Second, // as systemd: they add up
		"55s500ms":                  55*time.Second + 500*time.Millisecond,
		"300ms20s 5day":             5*day + 20*time.Second + 300*time.Millisecond,
		"1w 2d 3h 4m 5s 6ms 7us":    9*day + 3*time.Hour + 4*time.Minute + 5*time.Second + 6*time.Millisecond + 7*time.Microsecond,
		"1week 1day 1hour 1minute":  8*day + time.Hour + time.Minute,
		"2weeks 2days 2hours 2hr":   16*day + 4*time.Hour,
		"3minutes 3seconds 3second": 3*time.Minute + 6*time.Second,
		"3sec 3msec 3usec":          3*time.Second + 3*time.Millisecond + 3*time.Microsecond,
		"4µs":                       4 * time.Microsecond, // micro sign
		"4μs":                       4 * time.Microsecond, // Greek mu
		"1month":                    2629800 * time.Second,
		"1M":                        2629800 * time.Second,
		"2months":                   2 * 2629800 * time.Second,
		"1y":                        31557600 * time.Second,
		"1year 1years":              2 * 31557600 * time.Second,
		"infinity":                  supervisor.Infinity,
		" infinity ":                supervisor.Infinity,
	} {
		got, err := supervisor.ParseTimeSpan(text)
		if err != nil || got != want {
			t.Errorf("ParseTimeSpan(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestParseTimeSpanRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", "\t", "s", "min", ".", "..5", "1.2.3s", "-1s", "- 1", "+5s", "1e3s", "0x10", "1,5s", "5 parsecs", "5S",
		"5 MIN", "10sx", "1h -30min", "infinity 5", "5 infinity", "Infinity", "inf", "NaN", "yes", "1h;30min", "5s\x00", "٣s",
		"1_000s", "5 s s",
	} {
		if got, err := supervisor.ParseTimeSpan(text); err == nil {
			t.Errorf("ParseTimeSpan(%q) = %v, want an error", text, got)
		} else if !strings.Contains(err.Error(), "time span") {
			t.Errorf("ParseTimeSpan(%q) says %q", text, err)
		}
	}
}

func TestParseTimeSpanOverflow(t *testing.T) {
	for _, text := range []string{
		"300years", "10000000000", "1000000w", "99999999999999999999999999999s", strings.Repeat("9", 400),
		strings.Repeat("100000000s ", 1000), "4611686018427387904us 4611686018427387904us",
	} {
		if got, err := supervisor.ParseTimeSpan(text); err == nil {
			t.Errorf("ParseTimeSpan(%.40q) = %v, want an error", text, got)
		}
	}
}

func TestFormatTimeSpan(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0":           0,
		"infinity":    supervisor.Infinity,
		"30s":         30 * time.Second,
		"1s 500ms":    1500 * time.Millisecond,
		"1h 30min":    90 * time.Minute,
		"2w":          14 * 24 * time.Hour,
		"1w 1d 1h":    8*24*time.Hour + time.Hour,
		"7us":         7 * time.Microsecond,
		"10min 250ms": 10*time.Minute + 250*time.Millisecond,
	} {
		if got := supervisor.FormatTimeSpan(d); got != want {
			t.Errorf("FormatTimeSpan(%d) = %q, want %q", d, got, want)
		}
	}
}

// FuzzTimeSpan checks that whatever can be read is written so that it is read
// again as the same.
func FuzzTimeSpan(f *testing.F) {
	for _, seed := range []string{
		"0", "10", "1h 30min", "infinity", "1.5s", "0.0000001s", "0.3us", "1.0005ms", "146years", "123456789.123457s", "µ", "5 5",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := supervisor.ParseTimeSpan(text)
		if err != nil {
			return
		}
		if d < 0 {
			t.Fatalf("%q gives %d", text, d)
		}
		written := supervisor.FormatTimeSpan(d)
		again, err := supervisor.ParseTimeSpan(written)
		if err != nil || again != d {
			t.Errorf("%q gives %d, is written as %q, and that gives %d, %v", text, d, written, again, err)
		}
	})
}
