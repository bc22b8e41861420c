package traffic

import (
	"errors"
	"fmt"
	"time"
)

// Config says what a load consists of.
type Config struct {
	Targets []Target
	// Timeout bounds the connect, and then the answer, of each request; of a
	// Download each piece of the body, of a Stream each echo. Default 10 s.
	Timeout time.Duration
	// Grace is how long requests that are under way may go on once the load
	// stops. Default 15 s.
	Grace time.Duration
}

const (
	defaultTimeout = 10 * time.Second
	defaultGrace   = 15 * time.Second
	// maxConnectRate bounds the new TCP connections a second, all targets
	// together: a third of the ephemeral ports of Linux (28,232), which it hands
	// out again after a second on loopback (tcp_tw_reuse=2) even where the
	// client's side closed first.
	maxConnectRate = 10_000
)

// complete fills in the defaults and refuses what cannot be run.
func (c Config) complete() (Config, error) {
	if len(c.Targets) == 0 {
		return c, errors.New("cannot make traffic without a target")
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Grace == 0 {
		c.Grace = defaultGrace
	}
	if c.Timeout < 0 || c.Grace < 0 {
		return c, fmt.Errorf("cannot use a negative timeout or grace (%v, %v)", c.Timeout, c.Grace)
	}
	targets := make([]Target, len(c.Targets))
	connects := 0.0
	for i, t := range c.Targets {
		var err error
		if targets[i], err = t.complete(); err != nil {
			return c, err
		}
		if targets[i].Kind == New {
			connects += float64(targets[i].Clients) / targets[i].Interval.Seconds()
		}
	}
	if connects > maxConnectRate {
		return c, fmt.Errorf("cannot make %.0f connections a second, at most %d: use fewer clients or a longer interval",
			connects, maxConnectRate)
	}
	c.Targets = targets
	return c, nil
}
