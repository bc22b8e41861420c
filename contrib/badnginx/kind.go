package badnginx

import "time"

// Kind is a way to go wrong.
type Kind string

// The kinds. What goes wrong at the start of a master does so only in one that
// USR2 has executed; by hand such a build can be started as any other.
const (
	// Good has the library, which does nothing: it is as good as the
	// original.
	Good Kind = "good"
	// CrashAtStart aborts in the initialisation of each worker. The master
	// starts others for ever.
	CrashAtStart Kind = "crash-at-start"
	// CrashAtFirstRequest aborts in a worker that has accepted a connection,
	// which is lost with it.
	CrashAtFirstRequest Kind = "crash-at-first-request"
	// CrashAfter aborts in each worker a while after it was started.
	CrashAfter Kind = "crash-after"
	// Answer500 cannot open the files that it should answer with.
	Answer500 Kind = "answer-500"
	// Silent accepts connections and never answers. TLS does not get as far
	// as a handshake.
	Silent Kind = "silent"
	// HangAtStart never gets as far as reading its configuration.
	HangAtStart Kind = "hang-at-start"
	// ExitAtStart ends at once, with code 1.
	ExitAtStart Kind = "exit-at-start"
	// ExitMasterAfter is a master that ends a while after it was executed,
	// with code 1 and without a word to its workers.
	ExitMasterAfter Kind = "exit-master-after"
	// SlowStart is as good as the original, but begins a while later.
	SlowStart Kind = "slow-start"
	// ExecAtFirstRequest has a worker that executes another program, which calls
	// itself a master, as soon as it has accepted a connection: what somebody
	// could do who has broken into it.
	ExecAtFirstRequest Kind = "exec-at-first-request"
	// Helper has a master that executes a program of its own when it is started
	// by hand.
	Helper Kind = "helper"
)

// Kinds are all kinds.
var Kinds = []Kind{Good, CrashAtStart, CrashAtFirstRequest, CrashAfter, Answer500, Silent, HangAtStart, ExitAtStart, ExitMasterAfter, SlowStart,
	ExecAtFirstRequest, Helper}

// defaultAfter is "a while" where nothing else is said.
const defaultAfter = 2 * time.Second
