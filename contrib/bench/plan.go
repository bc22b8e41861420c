package main

import "time"

// plan says how much is measured.
type plan struct {
	release  string   // of Debian, for what one release tells; "" is a copy of this machine
	releases []string // for what clients notice

	patience time.Duration // of a client

	clientRuns    int
	clientWindow  time.Duration
	ways          []string // of an upgrade; nil is all
	badRuns       int
	rollbackRuns  int
	cycleRuns     int
	loads         []load
	drainRuns     int
	drainWindow   time.Duration
	connections   []int
	idleRuns      int
	idleRest      time.Duration // before each window
	idleWindow    time.Duration
	instances     []int
	keepAliveRuns int
}

// load is what nginx has to do at its start.
type load struct{ Workers, Blocks int }

// full is for the figures, on a machine that does nothing else: less than half an
// hour.
var full = plan{
	release: "bookworm", releases: []string{"bookworm", "trixie"}, patience: 3 * time.Second,
	clientRuns: 6, clientWindow: 9 * time.Second, badRuns: 3, rollbackRuns: 10,
	cycleRuns: 15, loads: []load{{1, 1}, {8, 1}, {64, 1}, {1, 1000}, {1, 10000}},
	drainRuns: 2, drainWindow: 20 * time.Second, connections: []int{100, 10000, 50000},
	idleRuns: 3, idleRest: 30 * time.Second, idleWindow: time.Minute, instances: []int{1, 200}, keepAliveRuns: 5,
}

// quick proves that everything can be measured, and tells little about time: less
// than three minutes. The machine may do other things: a request that takes long is
// not lost.
var quick = plan{
	releases: []string{""}, patience: 15 * time.Second, clientRuns: 1, clientWindow: 6 * time.Second, ways: []string{wayReload, wayFloor, wayWatcher},
	cycleRuns: 3, loads: []load{{1, 1}, {2, 100}},
	drainRuns: 1, drainWindow: 3 * time.Second, connections: []int{100, 1000},
	idleRuns: 1, idleRest: time.Second, idleWindow: 5 * time.Second, instances: []int{1, 10},
}

// quickParts are those that a quick run makes.
var quickParts = []string{"clients", "cycle", "drain", "idle"}
