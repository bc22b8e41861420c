package traffic

import (
	"errors"
	"fmt"
	"time"
)

// Report is the account of a load.
type Report struct {
	Started    time.Time        `json:"started"`
	DurationMS int64            `json:"duration_ms"` // up to the stop, without the grace period
	Total      Summary          `json:"total"`
	Kinds      map[Kind]Summary `json:"kinds"`
	// Failures are the first 20 of each kind of client, in order of time. All are
	// counted in Failed and ByKind.
	Failures []Failure `json:"failures"`
}

// Summary is the account of one kind of client, or of all. Requests is the sum of
// OK, Failed and Unfinished.
type Summary struct {
	Requests     int            `json:"requests"` // that came to an end; a repeated one counts once
	OK           int            `json:"ok"`
	Failed       int            `json:"failed"`
	ByKind       map[string]int `json:"by_kind"` // Failed by kind of failure
	StaleRetries int            `json:"stale_retries"`
	Unfinished   int            `json:"unfinished"` // given up by the load at the end of its grace period
	Running      int            `json:"running"`    // downloads and streams under way
	Completed    int            `json:"completed"`  // downloads and streams that came to their planned end
	Echoes       int            `json:"echoes"`     // messages of streams that came back
	Servers      map[string]int `json:"servers"`    // answers by Server field, one for each request
	LatencyUS    Latency        `json:"latency_us"`
	// LongestGapMS is the longest time in which no client of the kind saw a good
	// answer, echo or piece of a body, in milliseconds. It includes the clients'
	// own pauses.
	LongestGapMS float64 `json:"longest_gap_ms"`
}

// Latency is that of good answers in microseconds: from before the connect to the
// last byte (Download: to the head; Stream: of each echo). The quantiles are at
// most 1/32 above the true value and never below; Max is exact.
type Latency struct {
	P50  int64 `json:"p50"`
	P99  int64 `json:"p99"`
	P999 int64 `json:"p999"`
	Max  int64 `json:"max"`
}

// Failure is one request that failed.
type Failure struct {
	Time   time.Time `json:"time"`
	Client Kind      `json:"client"`
	Kind   string    `json:"kind"`
	Text   string    `json:"text"`
}

// Verdict returns nil if no request failed and at least one was answered: a load
// that got no answer at all proves nothing.
func (r *Report) Verdict() error {
	switch {
	case r.Total.Failed > 0:
		return fmt.Errorf("%d of %d requests failed", r.Total.Failed, r.Total.Requests)
	case r.Total.OK == 0:
		return errors.New("no request was answered: nothing is proven")
	}
	return nil
}
