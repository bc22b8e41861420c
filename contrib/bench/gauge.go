package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ourUnit is what the supervisor runs as.
const ourUnit = "nginx-hotswap.service"

// reading is what the kernel has counted of a process.
type reading struct {
	at      time.Time
	cpu     time.Duration // of its control group: commands that it has run count, too
	ticks   int           // of the process, 10 ms each
	wakeUps int           // of all its threads: how often one went to sleep
}

// usage is what a process used in a window.
type usage struct {
	Seconds   float64
	CPUms     float64
	Ticks     int
	WakeUps   int
	RSS, Anon float64 // MiB: VmRSS, and RssAnon of it
	Files     int
}

// share is the used part of one processor in percent.
func (u usage) share() float64 { return u.CPUms / u.Seconds / 10 }

func (u usage) wakeUpsPerSecond() float64 { return float64(u.WakeUps) / u.Seconds }

// use lets time go by and reads what the supervisor has used of it. Nothing is run
// in the machine meanwhile. Before that there is a rest, in which what our last
// question has set off comes to its end: Go's sysmon thread, for one, goes on to
// wake up many times at its next turn, half a minute later.
func (m *machine) use(ctx context.Context, rest, window time.Duration) (usage, error) {
	pid, err := m.unitPID(ctx, ourUnit)
	if err != nil {
		return usage{}, err
	}
	if err := wait(ctx, rest); err != nil {
		return usage{}, err
	}
	before, err := m.read(pid)
	if err != nil {
		return usage{}, err
	}
	if err := wait(ctx, window); err != nil {
		return usage{}, err
	}
	after, err := m.read(pid)
	if err != nil {
		return usage{}, err
	}
	u := usage{
		Seconds: after.at.Sub(before.at).Seconds(), CPUms: millisOf(after.cpu - before.cpu),
		Ticks: after.ticks - before.ticks, WakeUps: after.wakeUps - before.wakeUps,
	}
	return u, m.size(pid, &u)
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// proc is a file of a process of the machine.
func (m *machine) proc(pid int, name string) string {
	return m.Path(fmt.Sprintf("/proc/%d/%s", pid, name))
}

func (m *machine) read(pid int) (r reading, err error) {
	r.at = time.Now()
	usec, err := value(m.Path("/sys/fs/cgroup/system.slice/"+ourUnit+"/cpu.stat"), "usage_usec")
	if err != nil {
		return r, err
	}
	r.cpu = time.Duration(usec) * time.Microsecond
	stat, err := os.ReadFile(m.proc(pid, "stat"))
	if err != nil {
		return r, err
	}
	if r.ticks, err = parseTicks(stat); err != nil {
		return r, err
	}
	threads, err := filepath.Glob(m.proc(pid, "task") + "/*/status")
	if err == nil && len(threads) == 0 {
		err = os.ErrNotExist
	}
	if err != nil {
		return r, fmt.Errorf("cannot find the threads of process %d: %w", pid, err)
	}
	for _, path := range threads {
		n, err := value(path, "voluntary_ctxt_switches:")
		if err != nil {
			return r, err
		}
		r.wakeUps += n
	}
	return r, nil
}

// parseTicks adds the user's and the system's time, fields 14 and 15 of
// proc_pid_stat(5). The second may contain blanks.
func parseTicks(stat []byte) (int, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("cannot read the times in %q", stat)
	}
	user, err := strconv.Atoi(string(fields[11]))
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(string(fields[12]))
	return user + system, err
}

// size reads what a process holds.
func (m *machine) size(pid int, u *usage) error {
	for _, f := range []struct {
		key string
		mib *float64
	}{{"VmRSS:", &u.RSS}, {"RssAnon:", &u.Anon}} {
		kib, err := value(m.proc(pid, "status"), f.key)
		if err != nil {
			return err
		}
		*f.mib = float64(kib) / 1024
	}
	files, err := os.ReadDir(m.proc(pid, "fd"))
	u.Files = len(files)
	return err
}

// value is the number behind a key at the beginning of a line.
func value(path, key string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == key {
			return strconv.Atoi(fields[1])
		}
	}
	return 0, fmt.Errorf("cannot find %s in %s", key, path)
}
