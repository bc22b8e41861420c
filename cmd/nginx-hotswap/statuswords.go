package main

import (
	"fmt"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func pidOrDash(pid int) string {
	if pid == 0 {
		return "-"
	}
	return fmt.Sprint(pid)
}

func diskText(s supervisor.Status) string {
	switch {
	case s.MainPID == 0:
		return "-"
	case s.Running.SHA256 == "" || s.Disk.SHA256 == "":
		return "?"
	case s.Disk.SHA256 == s.Running.SHA256:
		return "same"
	case s.Disk.Version != "":
		return s.Disk.Version
	}
	return "differs"
}

func agoText(d time.Duration) string {
	switch d = max(d, 0); { // the clock may have been set back
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dmin", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// clockText is a time that stays true while nothing is drawn anew.
func clockText(t, now time.Time) string {
	t = t.In(now.Location())
	switch age := now.Sub(t); {
	case t.YearDay() == now.YearDay() && t.Year() == now.Year():
		return t.Format("15:04:05")
	case age < 300*24*time.Hour:
		return t.Format("Jan _2 15:04")
	}
	return t.Format("2006-01-02")
}

// spanText is how long something took: 21ms, 3.2s, 1min 12s.
func spanText(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%dms", max(d, 0).Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Truncate(100*time.Millisecond).Seconds())
	}
	return supervisor.FormatTimeSpan(d.Truncate(time.Second))
}

// tickingText is a span that is still growing or shrinking, in whole seconds.
func tickingText(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%ds", int(max(d, 0).Seconds()))
	}
	return supervisor.FormatTimeSpan(d.Truncate(time.Second))
}

// counted is a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
