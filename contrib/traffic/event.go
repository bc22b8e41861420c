package traffic

import "time"

// event is what a client tells the ledger.
type event struct {
	what   string
	kind   Kind // of the client
	at     time.Time
	took   time.Duration // latency, 0 for none
	server string        // Server field of the answer, if there was one
	begun  bool          // of finished: a begun event went before
	url    string
	fault  *fault
}

// What an event says.
const (
	finished = "finished" // a request came to its end, good or bad (fault)
	begun    = "begun"    // a download or stream has its answer's head and goes on
	progress = "progress" // a piece of a body or an echo arrived
	stale    = "stale"    // a used connection was found closed, the request is repeated
	halted   = "halted"   // no new requests from here on
)
