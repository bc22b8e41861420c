package nginx

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Signals is what /proc/PID/status says about a process' signals, as sets.
type Signals struct {
	Pending uint64 // SigPnd and ShdPnd: sent, not yet delivered
	Blocked uint64 // SigBlk
	Sleeps  bool   // State is S
}

// Has reports whether a set contains a signal.
func Has(set uint64, sig unix.Signal) bool { return set&(1<<(uint(sig)-1)) != 0 }

// Waiting reports whether a master waits in sigsuspend(2) with nothing left
// to do. nginx blocks its signals except while it waits
// (ngx_master_process_cycle), and a successor inherits the blocked set and
// keeps it until its own cycle begins.
// While the kernel hands over a signal both sets may be empty for an instant,
// but then the process runs.
func (s Signals) Waiting() bool { return s.Sleeps && s.Blocked == 0 && s.Pending == 0 }

// ReadSignals reads the signal sets of a process.
func ReadSignals(pid int) (Signals, error) {
	data, err := os.ReadFile(procPath(pid, "status"))
	if err != nil {
		return Signals{}, err
	}
	return ParseSignals(data)
}

// ParseSignals reads the signal lines of /proc/PID/status.
func ParseSignals(status []byte) (Signals, error) {
	var s Signals
	seen := make(map[string]bool, 3)
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		var set *uint64
		switch key {
		case "State":
			s.Sleeps = strings.HasPrefix(strings.TrimSpace(value), "S")
			continue
		case "SigPnd", "ShdPnd":
			set = &s.Pending
		case "SigBlk":
			set = &s.Blocked
		default:
			continue
		}
		v, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil {
			return Signals{}, fmt.Errorf("cannot read %s: %w", key, err)
		}
		*set |= v
		seen[key] = true
	}
	if len(seen) != 3 {
		return Signals{}, fmt.Errorf("cannot read the signal sets: %d of 3 lines found", len(seen))
	}
	return s, nil
}
