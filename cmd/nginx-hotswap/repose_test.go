package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// percent returns what GOGC= is now.
func percent() int {
	now := debug.SetGCPercent(100)
	debug.SetGCPercent(now)
	return now
}

// litter leaves so many bytes of garbage behind.
func litter(bytes int) {
	for ; bytes > 0; bytes -= len(litterBin) {
		litterBin = make([]byte, 64<<10)
	}
}

var litterBin = make([]byte, 64<<10)

func restful(t *testing.T) *repose {
	t.Helper()
	before, limit := percent(), debug.SetMemoryLimit(-1)
	t.Cleanup(func() {
		debug.SetGCPercent(before)
		debug.SetMemoryLimit(limit)
	})
	r := &repose{}
	r.tick()
	if percent() != before {
		t.Fatal("at rest before there was a quiet tick")
	}
	r.tick()
	if percent() != -1 {
		t.Fatalf("GOGC=%d after a quiet tick", percent())
	}
	return r
}

func TestRepose(t *testing.T) {
	before, limit := percent(), debug.SetMemoryLimit(-1)
	r := restful(t)
	r.tick()
	if percent() != -1 {
		t.Error("no rest after another quiet tick")
	}
	litter(4 * reposeBelow)
	r.tick()
	if got := debug.SetMemoryLimit(-1); percent() != before || got != limit {
		t.Errorf("GOGC=%d, limit %d after a busy tick; before: %d, %d", percent(), got, before, limit)
	}
	r.tick()
	if percent() != -1 {
		t.Error("no rest after a busy tick and a quiet one")
	}
}

// Between two ticks anybody may ask 10,000 times.
func TestReposeBounded(t *testing.T) {
	restful(t)
	before := readMemory().mapped
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	collections := stats.NumGC
	litter(20 * reposeRoom)
	runtime.ReadMemStats(&stats)
	if grown := readMemory().mapped - before; grown > 2*reposeRoom || stats.NumGC == collections {
		t.Errorf("grown by %d bytes, %d collections", grown, stats.NumGC-collections)
	}
}
