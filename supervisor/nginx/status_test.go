package nginx

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const statusText = "Name:\tnginx\nPPid:\t1\nSigQ:\t0/7823\nSigPnd:\t0000000000000000\n" +
	"ShdPnd:\t0000000000004000\nSigBlk:\t0000000018016a07\nSigIgn:\t0000000040001000\nSigCgt:\t0000000198016a07\n"

func TestParseSignals(t *testing.T) {
	tests := map[string]struct {
		status string
		want   Signals
	}{
		"a successor that starts": {statusText, Signals{Pending: 0x4000, Blocked: 0x18016a07}},
		"both kinds of pending": {
			strings.Replace(statusText, "SigPnd:\t0000000000000000", "SigPnd:\t0000000000000001", 1),
			Signals{Pending: 0x4001, Blocked: 0x18016a07}},
		"all bits": {"SigPnd: ffffffffffffffff\nShdPnd: 0\nSigBlk: FFFFFFFFFFFFFFFF", Signals{Pending: 1<<64 - 1, Blocked: 1<<64 - 1}},
		// A process in thousands of groups has a line longer than 64 KiB.
		"a very long line": {"Groups:\t" + strings.Repeat("4294967294 ", 65536) + "\n" + statusText, Signals{Pending: 0x4000, Blocked: 0x18016a07}},
		// The kernel escapes a newline in the name, so a name is no line.
		"a name that looks like a set": {"Name:\tSigBlk:\\nSigBlk:\n" + statusText, Signals{Pending: 0x4000, Blocked: 0x18016a07}},
	}
	for name, test := range tests {
		got, err := ParseSignals([]byte(test.status))
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

func TestParseSignalsRefuses(t *testing.T) {
	for name, status := range map[string]string{
		"empty":                "",
		"no blocked set":       strings.Replace(statusText, "SigBlk", "SigBlx", 1),
		"one set twice":        strings.Replace(statusText, "SigBlk", "SigPnd", 1),
		"cut before the value": statusText[:strings.Index(statusText, "SigBlk:")+len("SigBlk:")],
		"not hexadecimal":      strings.Replace(statusText, "18016a07", "18016g07", 1),
		"negative":             strings.Replace(statusText, "0000000018016a07", "-1", 1),
		"more than 64 bits":    strings.Replace(statusText, "0000000018016a07", "10000000018016a07", 1),
		"binary":               "\x00\x01SigBlk\xff",
	} {
		if got, err := ParseSignals([]byte(status)); err == nil {
			t.Errorf("%s: taken for %+v", name, got)
		}
	}
}

func TestSignals(t *testing.T) {
	const blocked = 0x18016a07 // HUP INT QUIT USR1 USR2 ALRM TERM CHLD WINCH IO
	for sig, want := range map[unix.Signal]bool{
		unix.SIGHUP: true, unix.SIGQUIT: true, unix.SIGTERM: true, unix.SIGUSR2: true, unix.SIGWINCH: true, unix.SIGIO: true,
		unix.SIGKILL: false, unix.SIGSEGV: false, unix.SIGPIPE: false, unix.Signal(64): false,
	} {
		if got := Has(blocked, sig); got != want {
			t.Errorf("%s: got %v", unix.SignalName(sig), got)
		}
	}
	if !Has(1<<63, unix.Signal(64)) {
		t.Error("the last signal was not found")
	}
	for _, test := range []struct {
		signals Signals
		want    bool
	}{{Signals{Sleeps: true}, true}, {Signals{}, false}, {Signals{Sleeps: true, Blocked: blocked}, false}, {Signals{Sleeps: true, Pending: 1}, false}} {
		if got := test.signals.Waiting(); got != test.want {
			t.Errorf("%+v: got %v", test.signals, got)
		}
	}
}
