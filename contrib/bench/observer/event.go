package observer

import (
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

// What is an observation.
type What string

// The observations.
const (
	Successor What = "successor" // a master that old has executed is there
	Forked    What = "forked"    // a worker is there
	Accepts   What = "accepts"   // it says that it is a worker, so it accepts
	Gone      What = "gone"      // the process has ended
	Shifted   What = "shifted"   // none of old's workers accepts any more, for the first time
	Killed    What = "killed"    // the observer sends SIGKILL to the successor
	Answer    What = "answer"    // the server that answers is another one than before
	Failed    What = "failed"    // the client got no answer
)

// Side is the master that an observation is about.
type Side string

// The sides.
const (
	Old Side = "old"
	New Side = "new"
)

// Event is one observation.
type Event struct {
	At   time.Time `json:"at"`
	What What      `json:"what"`
	Side Side      `json:"side,omitempty"`
	PID  int       `json:"pid,omitempty"`
	// Text says how a process ended, who answered or why nobody did.
	Text string `json:"text,omitempty"`
}

// Account is all that was seen.
type Account struct {
	Workers int             `json:"workers"` // of old at the start
	Server  string          `json:"server"`  // that answered at the start
	Events  []Event         `json:"events"`
	Traffic *traffic.Report `json:"traffic"`
}
