package main

import (
	"runtime/debug"
	runtimemetrics "runtime/metrics"
)

const (
	// reposeBelow is how many bytes are allocated at the most between two
	// messages to the watchdog when nothing happens.
	reposeBelow = 1 << 20
	// reposeRoom is how much garbage there may be before it is collected all the
	// same.
	reposeRoom = 8 << 20
)

// repose keeps the garbage collector away while the daemon has nothing to do. The
// runtime collects every two minutes at the least (forcegcperiod, runtime/proc.go),
// garbage or not. That takes some 4 ms of CPU and fifty wake-ups: three times what
// an idle minute costs otherwise.
type repose struct {
	allocated uint64 // bytes, since the process began
	resting   bool
	percent   int   // GOGC= of a daemon that works
	limit     int64 // GOMEMLIMIT=, bytes
}

// tick is called every now and then, by the watchdog's clock. The collector goes
// after a tick in which next to nothing was allocated and comes back after one
// in which much was.
func (r *repose) tick() {
	m := readMemory()
	quiet := r.allocated != 0 && m.allocated-r.allocated < reposeBelow
	r.allocated = m.allocated
	switch {
	case quiet && !r.resting:
		r.rest()
	case !quiet && r.resting:
		r.work()
	}
}

func (r *repose) rest() {
	debug.FreeOSMemory()
	m := readMemory()
	r.allocated = m.allocated
	// The limit works without GOGC=, too: a burst between two ticks does not let
	// the heap grow without bounds.
	r.limit = debug.SetMemoryLimit(-1)
	debug.SetMemoryLimit(min(r.limit, m.mapped+reposeRoom))
	r.percent = debug.SetGCPercent(-1)
	r.resting = true
}

func (r *repose) work() {
	debug.SetGCPercent(r.percent)
	debug.SetMemoryLimit(r.limit)
	r.resting = false
}

type memory struct {
	allocated uint64 // bytes, since the process began
	mapped    int64  // bytes, what a memory limit is compared with
}

func readMemory() memory {
	s := []runtimemetrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	runtimemetrics.Read(s)
	return memory{s[0].Value.Uint64(), int64(s[1].Value.Uint64() - s[2].Value.Uint64())}
}
