package nginx

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestExit(t *testing.T) {
	tests := []struct {
		exit    Exit
		want    string
		crashed bool
	}{
		{Exit{}, "exited", false},
		{Exit{Signal: unix.SIGSEGV, Code: 2}, "exited", false}, // not known
		{Exit{Known: true}, "exited with code 0", false},
		{Exit{Known: true, Code: 1}, "exited with code 1", false},
		{Exit{Known: true, Code: 2}, "exited with code 2", true},
		{Exit{Known: true, Code: 127}, "exited with code 127", false},
		{Exit{Known: true, Signal: unix.SIGSEGV}, "died by SIGSEGV", true},
		{Exit{Known: true, Signal: unix.SIGKILL}, "died by SIGKILL", true},
		{Exit{Known: true, Signal: unix.Signal(40)}, "died by signal 40", true},
	}
	for _, test := range tests {
		if got := test.exit.String(); got != test.want {
			t.Errorf("%+v: got %q", test.exit, got)
		}
		if got := test.exit.Crashed(); got != test.crashed {
			t.Errorf("%+v: crashed is %v", test.exit, got)
		}
	}
}
