//go:build box

package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// firstMinutes is the heading of README.md whose commands are executed.
const firstMinutes = "## First five minutes"

// lesson is a block of commands of the README with what they print.
type lesson struct {
	script string
	shown  []string // nil when nothing is shown
}

// Every command that the README begins with is executed, in a machine as a
// newcomer has it, and prints what is shown there.
func TestBoxFirstMinutes(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	lessons := lessonsOf(string(text))
	if len(lessons) == 0 {
		t.Fatalf("README.md has no commands under %q", firstMinutes)
	}
	m := bare(t)
	m.sh("mkdir -p /root/dist && mv " + m.deb("1.0") + " /root/dist/")
	for _, l := range lessons {
		out, errOut, code, err := m.Try(t.Context(), "set -e; exec 2>&1; cd /root; "+l.script)
		if err != nil || code != 0 {
			t.Fatalf("%s\nexit status %d, %v\n%s%s", l.script, code, err, out, errOut)
		}
		t.Logf("%s\n%s", l.script, out)
		if l.shown == nil {
			continue
		}
		if missing := l.missing(out); missing != "" {
			t.Errorf("%s\ndoes not print %q where the README shows it, but:\n%s", l.script, missing, out)
		}
	}
	m.consistent()
}

// lessonsOf finds the blocks of commands, each with the block that follows it.
func lessonsOf(readme string) []lesson {
	_, section, _ := strings.Cut(readme, "\n"+firstMinutes+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var list []lesson
	for i, part := range strings.Split("\n"+section, "\n```") {
		if i%2 == 0 {
			continue // text between the blocks
		}
		kind, block, _ := strings.Cut(part, "\n")
		switch {
		case kind == "sh":
			list = append(list, lesson{script: block})
		case kind == "" && len(list) > 0:
			list[len(list)-1].shown = strings.Split(block, "\n")
		}
	}
	return list
}

// missing returns the first line that is shown and not printed, or "". A line of
// dots stands for any others.
func (l lesson) missing(out string) string {
	printed := patterns(strings.Split(out, "\n"))
	for shown, skip := range spans(l.shown) {
		at := slices.Index(printed, pattern(shown))
		if at < 0 || at > 0 && !skip {
			return shown
		}
		printed = printed[at+1:]
	}
	if len(printed) > 0 && l.shown[len(l.shown)-1] != "…" {
		return "the end, before " + printed[0]
	}
	return ""
}

// spans gives the lines that are shown, each with whether others may be before it.
func spans(shown []string) func(yield func(string, bool) bool) {
	return func(yield func(string, bool) bool) {
		skip, last := false, ""
		for _, line := range shown {
			switch p := pattern(line); {
			case line == "…":
				skip = true
			case p != "" && (p != last || skip):
				if !yield(line, skip) {
					return
				}
				skip, last = false, p
			}
		}
	}
}

// patterns drops empty lines, and lines that repeat the one before: how many
// workers there are is the machine's matter.
func patterns(lines []string) []string {
	var list []string
	for _, line := range lines {
		if p := pattern(line); p != "" && (len(list) == 0 || list[len(list)-1] != p) {
			list = append(list, p)
		}
	}
	return list
}

// volatile is what differs from machine to machine and from run to run.
var volatile = []struct {
	what *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`\d{8}T\d{6}\.\d{3}-\w+`), "ID"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d( UTC)?`), "TIME"},
	{regexp.MustCompile(`\b[0-9a-f]{8}(…|\b)`), "HASH"},
	{regexp.MustCompile(`\b\d+(\.\d+){2,}\b`), "VERSION"},
	{regexp.MustCompile(`\b\d+(\.\d+)?(ms|µs|s|min|h)\b`), "DURATION"},
	{regexp.MustCompile(`\b\d+\b`), "N"},
	{regexp.MustCompile(`[├└]─`), "─"},
	{regexp.MustCompile(`\b(worker|connection)s\b`), "$1"},
	{regexp.MustCompile(`\s+`), " "},
}

func pattern(line string) string {
	for _, v := range volatile {
		line = v.what.ReplaceAllString(line, v.name)
	}
	return strings.TrimSpace(line)
}

func TestLessons(t *testing.T) {
	l := lessonsOf("# x\n" + firstMinutes + "\ntext\n```sh\nstatus\n```\nand\n```\nA 1.2.3\n├─ worker 7\n└─ worker 8\n…\nend 3s\n```\n## More\n```sh\nno\n```\n")
	if len(l) != 1 || l[0].script != "status" {
		t.Fatalf("%+v", l)
	}
	for out, missing := range map[string]string{
		"A  4.5.6\n├─ worker 1\n├─ worker 2\n└─ worker 3\nfoo\nbar\nend 9s\n": "",
		"A 4.5.6\n└─ worker 3\nend 1.5s":                                      "",
		"A 4.5.6\nfoo\n└─ worker 3\nend 3s":                                   "├─ worker 7",
		"A 4.5.6\n└─ worker 3\nfoo":                                           "end 3s",
		"A 4.5.6\n└─ worker 3\nend 3s\nmore":                                  "the end, before more",
	} {
		if got := l[0].missing(out); got != missing {
			t.Errorf("%q: missing %q, want %q", out, got, missing)
		}
	}
}
