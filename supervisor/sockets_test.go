package supervisor

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestQuitOf(t *testing.T) {
	for _, test := range []struct {
		version   string
		accepting int
		want      unix.Signal
	}{
		{"1.18.0", 2, unix.SIGQUIT},
		{"1.18.0", 0, unix.SIGKILL},
		{"1.0.15", 0, unix.SIGKILL},
		{"1.19.0", 0, unix.SIGKILL},
		{"1.19.1", 0, unix.SIGQUIT},
		{"1.30.6", 0, unix.SIGQUIT},
		{"", 0, unix.SIGQUIT},
	} {
		if got := quitOf(test.version, test.accepting); got != test.want {
			t.Errorf("%s with %d accepting workers: got %s", test.version, test.accepting, unix.SignalName(got))
		}
	}
}
