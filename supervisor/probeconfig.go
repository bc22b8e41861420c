package supervisor

import (
	"strings"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/internal/probe"
)

// ProbeConfig is one [Probe] section: a question that a good successor answers
// well.
type ProbeConfig struct {
	URL, Host, TCP, Exec string
	ExpectStatus         int // 0: any below 500
	IntervalSec          time.Duration
	TimeoutSec           time.Duration
	FailureThreshold     int // failures in a row that are a bad sign
}

func (p ProbeConfig) target(in *probe.Namespace) probe.Target {
	return probe.Target{URL: p.URL, Host: p.Host, TCP: p.TCP, Exec: strings.Fields(p.Exec), ExpectStatus: p.ExpectStatus,
		Timeout: p.TimeoutSec, In: in}
}
