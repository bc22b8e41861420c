package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// probeLines tell what each probe found last, or where there is little room how
// many are content.
func probeLines(probes []supervisor.ProbeStatus, now time.Time, all bool, width int) []line {
	var lines []line
	good := 0
	for _, p := range probes {
		switch {
		case !p.Good:
			lines = append(lines, failedProbe(p, now, width)...)
		case all:
			lines = append(lines, goodProbe(p, now, width))
		}
		if p.Good {
			good++
		}
	}
	if !all && good > 0 {
		lines = append(lines, line{span{"  ", plain}, {done.sign, done.style}, styled(plain, " %d of %s good", good, counted(len(probes), "probe"))})
	}
	return lines
}

func goodProbe(p supervisor.ProbeStatus, now time.Time, width int) line {
	l := line{span{"  ", plain}, {done.sign, done.style}, styled(plain, " %s", p.Target)}
	if width > 0 && width < narrow {
		return l
	}
	return append(l, styled(dim, " in %s, %s ago", latency(p.TookUS), tickingText(now.Sub(p.Asked))))
}

func failedProbe(p supervisor.ProbeStatus, now time.Time, width int) []line {
	lines := indented(red, probeText(p)+", "+tickingText(now.Sub(p.Asked))+" ago", max(width-2, min(width, 1)))
	for i := range lines {
		lines[i] = append(line{span{"  ", plain}}, lines[i]...)
	}
	lines[0] = append(line{span{"  ", plain}, {failed.sign, failed.style}, {" ", plain}}, lines[0][2:]...)
	return lines
}

// probeText is what is wrong, with the name of what was asked.
func probeText(p supervisor.ProbeStatus) string {
	if strings.HasPrefix(p.Text, p.Target) {
		return p.Text
	}
	return p.Target + ": " + p.Text
}

// latency is a short time in milliseconds.
func latency(microseconds int64) string {
	ms := float64(microseconds) / 1000
	if ms < 10 {
		return fmt.Sprintf("%.1fms", ms)
	}
	return fmt.Sprintf("%.0fms", ms)
}
