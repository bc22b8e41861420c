package supervisor

import "time"

// ShortLimits are for tests of steps that come to no end.
func ShortLimits(o *Options) {
	o.limits = limits{shift: time.Second, hurry: 200 * time.Millisecond}
}
