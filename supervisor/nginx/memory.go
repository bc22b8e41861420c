package nginx

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Anonymous returns the anonymous memory of a process in bytes, its share of what
// it has in common with others (Pss_Anon in /proc/PID/smaps_rollup; before Linux
// 5.13 all of it).
func Anonymous(pid int) (uint64, error) {
	data, err := os.ReadFile(procPath(pid, "smaps_rollup"))
	if err != nil {
		return 0, fmt.Errorf("cannot tell the memory of pid %d: %w", pid, err)
	}
	values := parseKilobytes(data)
	for _, name := range []string{"Pss_Anon", "Anonymous"} {
		if n, ok := values[name]; ok {
			return n, nil
		}
	}
	return 0, fmt.Errorf("cannot tell the memory of pid %d: there is no Anonymous", pid)
}

// AvailableMemory is what the machine could give to new processes, in bytes
// (MemAvailable in /proc/meminfo, see proc(5)).
func AvailableMemory() (uint64, error) {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	n, ok := parseKilobytes(data)["MemAvailable"]
	if !ok {
		return 0, fmt.Errorf("cannot tell the free memory: there is no MemAvailable")
	}
	return n, nil
}

// parseKilobytes reads lines like "Anonymous:  1234 kB". Others are left out.
func parseKilobytes(data []byte) map[string]uint64 {
	values := make(map[string]uint64)
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		name, rest, ok := strings.Cut(lines.Text(), ":")
		fields := strings.Fields(rest)
		if !ok || len(fields) != 2 || fields[1] != "kB" {
			continue
		}
		if n, err := strconv.ParseUint(fields[0], 10, 54); err == nil {
			values[name] = n << 10
		}
	}
	return values
}
