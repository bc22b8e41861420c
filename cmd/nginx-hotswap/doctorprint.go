package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

func printFindingsJSON(w io.Writer, found []supervisor.Finding) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false) // remedies are commands
	return encoder.Encode(found)
}

// levelSign can be told apart without colour.
var levelSign = map[supervisor.Level]span{
	supervisor.LevelOK:      {"ok  ", green},
	supervisor.LevelNote:    {"note", cyan},
	supervisor.LevelWarning: {"warn", yellow},
	supervisor.LevelFailure: {"FAIL", red},
}

// printFindings groups by instance. Remedies are never wrapped, so that they can
// be pasted.
func printFindings(w io.Writer, found []supervisor.Finding, c canvas) error {
	column := 0
	for _, f := range found {
		column = max(column, len(f.Check))
	}
	var lines []line
	for i, f := range found {
		if i == 0 || f.Instance != found[i-1].Instance {
			lines = append(lines, line{styled(bold, "%s", cmp.Or(f.Instance, "this host"))})
		}
		lines = append(lines, drawFinding(f, column, c.width)...)
	}
	lines = append(lines, nil, plainLine("%s", summary(found)))
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintln(&b, l.text(c.color))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// leastText is how much of a line a text has in any case.
const leastText = 40

// drawFinding draws one finding.
func drawFinding(f supervisor.Finding, column, width int) []line {
	sign := levelSign[f.Level]
	margin := strings.Repeat(" ", 2+len(sign.text)+2+column+2)
	if width > 0 {
		width = max(width-len(margin), leastText)
	}
	var lines []line
	for i, text := range wrap(f.Text, width) {
		if i == 0 {
			lines = append(lines, line{styled(plain, "  "), sign, styled(plain, "  %-*s  %s", column, f.Check, text)})
			continue
		}
		lines = append(lines, plainLine("%s%s", margin, text))
	}
	if f.Remedy == "" {
		return lines
	}
	for text := range strings.SplitSeq(f.Remedy, "\n") {
		lines = append(lines, plainLine("%s%s", margin, text))
	}
	return lines
}

func summary(found []supervisor.Finding) string {
	count := make(map[supervisor.Level]int)
	for _, f := range found {
		count[f.Level]++
	}
	return fmt.Sprintf("failures: %d, warnings: %d, notes: %d, ok: %d",
		count[supervisor.LevelFailure], count[supervisor.LevelWarning], count[supervisor.LevelNote], count[supervisor.LevelOK])
}
