package nginx

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// offsetsOf is what the stack of a master with these arguments says.
func offsetsOf(argv []string) []int {
	offsets, at := make([]int, len(argv)), 0
	for i, arg := range argv {
		offsets[i] = at
		at += len(arg) + 1
	}
	if len(offsets) > 1 {
		offsets[1] = -1 // ngx_os_argv[1] = NULL
	}
	return offsets
}

func TestSplitArgv(t *testing.T) {
	for _, argv := range [][]string{
		{"nginx"},
		{""},
		{"nginx", "-t"},
		{"nginx", "-cfile"},
		{"/usr/sbin/nginx", "-g", "daemon on; master_process on;"},
		{"/usr/sbin/nginx", "-gdaemon on; pid /x;", "-q"},
		{"./nginx", "-c", "a file"},
		{"/opt/my server/sbin/nginx", "-p", "/srv/a -b/"},
		{"nginx", "-g", "", "-c", ""},
		{"nginx", "-g", "  a;   b; ", "-c", " "},
		{"", "-c", "x"},
		{"nginx", "-g", "\n\tpid x;\n"},
		{"nginx", "-c", "\xff\xfe"},
	} {
		got, err := SplitArgv(strings.Join(argv, " "), offsetsOf(argv))
		if diff := cmp.Diff(argv, got); err != nil || diff != "" {
			t.Errorf("%q: %v %s", argv, err, diff)
		}
	}
}

func TestSplitArgvRefuses(t *testing.T) {
	tests := map[string]struct {
		joined  string
		offsets []int
	}{
		"no arguments":               {"nginx", nil},
		"not at the beginning":       {"nginx", []int{1}},
		"first pointer NULL":         {"nginx", []int{-1}},
		"no option to be found":      {"nginx x", []int{0, -1}},
		"option behind the third":    {"nginx x y -c", []int{0, -1, 8}},
		"third before the second":    {"nginx -c x", []int{0, -1, 3}},
		"third pointer NULL":         {"nginx -c x", []int{0, -1, -1}},
		"beyond the end":             {"nginx -c x", []int{0, -1, 400}},
		"not behind a space":         {"nginx -c xyz", []int{0, -1, 10}},
		"descending":                 {"nginx -c x y", []int{0, -1, 11, 9}},
		"twice the same":             {"nginx -c x", []int{0, -1, 9, 9}},
		"largest":                    {"nginx -c x", []int{0, -1, math.MaxInt}},
		"smallest":                   {"nginx -c x", []int{0, -1, math.MinInt}},
		"smallest last":              {"nginx -c x y", []int{0, -1, 9, math.MinInt}},
		"nothing left of the title":  {"", []int{0, -1, 20}},
		"second known and too large": {"nginx", []int{0, 70}},
	}
	for name, test := range tests {
		if got, err := SplitArgv(test.joined, test.offsets); !errors.Is(err, ErrArgvLost) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestSplitUntitled(t *testing.T) {
	for _, argv := range [][]string{{"nginx"}, {"nginx", "-g", "daemon on;"}, {"nginx", "-g", ""}, {"nginx", "", "", ""}} {
		offsets, at := []int(nil), 0
		for _, arg := range argv {
			offsets = append(offsets, at)
			at += len(arg) + 1
		}
		cmdline := []byte(strings.Join(argv, "\x00") + "\x00")
		got, err := splitUntitled(cmdline, offsets)
		if diff := cmp.Diff(argv, got); err != nil || diff != "" {
			t.Errorf("%q: %v %s", argv, err, diff)
		}
		if len(argv) > 1 { // a title was set meanwhile
			if got, err := splitUntitled(cmdline, offsetsOf(argv)); !errors.Is(err, ErrArgvLost) {
				t.Errorf("%q: got %q, %v", argv, got, err)
			}
		}
	}
	// Titles that were cut off.
	for _, cmdline := range []string{"nginx:\x00", "nginx: \x00", "nginx: master pr\x00", "angie: single process v1.9 #1 [x]\x00", ""} {
		offsets := []int{0}
		if cmdline == "" {
			offsets = nil // a zombie
		}
		if got, err := splitUntitled([]byte(cmdline), offsets); !errors.Is(err, ErrArgvLost) {
			t.Errorf("%q: got %q, %v", cmdline, got, err)
		}
	}
}
