package nginx

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// statLine is a line of /proc/PID/stat for a command name, with fields of
// proc(5) replaced by their number.
func statLine(comm string, fields map[int]string) string {
	f := make([]string, 53)
	for n := range f {
		f[n] = fmt.Sprint(n) // so that a field that is off by one is seen
	}
	f[1], f[2], f[3], f[8] = "4711", "("+comm+")", "S", "-1"
	for n, v := range fields {
		f[n] = v
	}
	return strings.Join(f[1:], " ") + "\n"
}

func TestParseStat(t *testing.T) {
	want := Stat{State: 'S', PID: 4711, PPID: 4, Session: 6, Flags: 9, Start: 22, StackStart: 28, ArgStart: 48, ArgEnd: 49}
	for _, comm := range []string{"nginx", "", "my server", "a) S 1 (b", ") Z 1 1", "((", "))", "a\nb", "\xff\xfe", strings.Repeat("(", 64)} {
		got, err := ParseStat([]byte(statLine(comm, nil)))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v %s", comm, err, diff)
		}
	}
}

func TestParseStatExtremes(t *testing.T) {
	line := statLine("nginx", map[int]string{1: "4194303", 3: "Z", 4: "0", 6: "4194303", 9: "18446744073709551615", 22: "18446744073709551615", 28: "0", 48: "0", 49: "0"})
	want := Stat{State: 'Z', PID: 1<<22 - 1, Session: 1<<22 - 1, Flags: 1<<64 - 1, Start: 1<<64 - 1}
	got, err := ParseStat([]byte(line))
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestParseStatRefuses(t *testing.T) {
	whole := statLine("nginx", nil)
	tests := map[string]string{
		"empty":              "",
		"no command name":    "1 S 2 3",
		"unclosed name":      "1 (nginx S 2 3",
		"name only":          "1 (nginx)",
		"one field too few":  strings.Join(strings.Fields(whole)[:48], " "),
		"no pid":             strings.TrimPrefix(whole, "4711"),
		"pid not a number":   statLine("x", map[int]string{1: "self"}),
		"pid beyond limit":   statLine("x", map[int]string{1: "4194304"}),
		"negative pid":       statLine("x", map[int]string{1: "-1"}),
		"long state":         statLine("x", map[int]string{3: "SS"}),
		"negative parent":    statLine("x", map[int]string{4: "-1"}),
		"parent beyond":      statLine("x", map[int]string{4: "99999999999"}),
		"session beyond":     statLine("x", map[int]string{6: "99999999999"}),
		"start over 64 bits": statLine("x", map[int]string{22: "18446744073709551616"}),
		"start in hex":       statLine("x", map[int]string{22: "0x16"}),
		"NULs":               strings.Repeat("\x00", 200),
	}
	for name, line := range tests {
		if got, err := ParseStat([]byte(line)); err == nil {
			t.Errorf("%s: taken for %+v", name, got)
		}
	}
}

func TestStatDaemonized(t *testing.T) {
	tests := []struct {
		name string
		stat Stat
		want bool
	}{
		{"forked by ngx_daemon", Stat{PID: 10, Session: 10, Flags: pfForkNoExec}, true},
		{"successor in the session of the first", Stat{PID: 20, Session: 10}, true},
		{"in the foreground below systemd", Stat{PID: 10, Session: 10}, false},
		{"first process of a container", Stat{PID: 1, Session: 1}, false},
		{"forked, other flags set as well", Stat{PID: 10, Session: 10, Flags: pfForkNoExec | 0x400100}, true},
		{"other flags only", Stat{PID: 10, Session: 10, Flags: 0x400100}, false},
	}
	for _, test := range tests {
		if got := test.stat.Daemonized(); got != test.want {
			t.Errorf("%s: got %v", test.name, got)
		}
	}
}
