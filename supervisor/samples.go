package supervisor

import (
	"context"
	"sync"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// Sample is what both generations had to do at one moment of a cycle. The
// numbers of connections are estimates, see nginx.Estimate.
type Sample struct {
	At                   time.Time `json:"at"`
	OldWorkers           int       `json:"old_workers"`
	OldConnections       int       `json:"old_connections"`
	SuccessorWorkers     int       `json:"successor_workers"`
	SuccessorConnections int       `json:"successor_connections"`
	// Probes are those that were answered since the sample before.
	Probes []ProbeSample `json:"probes,omitempty"`
}

// ProbeSample is one answer to a probe.
type ProbeSample struct {
	At     time.Time `json:"at"` // when it was asked
	Target string    `json:"target"`
	Good   bool      `json:"good"`
	TookUS int64     `json:"took_us"`
}

const (
	// maxSamples bounds what a cycle that lasts for days remembers.
	maxSamples = 600
	// sampleShare is how much longer the pause is than the look before it: on
	// kernels that do not count descriptors a look costs more than it tells.
	sampleShare = 200
	// sampleSave is how much of the curves a killed process may lose.
	sampleSave = 30 * time.Second
)

// samplePause is the distance of samples, by the time since the phase began. A
// drain may last for hours, in which little happens.
func samplePause(phase Phase, since time.Duration) time.Duration {
	switch {
	case phase != Draining || since < time.Minute:
		return time.Second
	case since < 10*time.Minute:
		return 10 * time.Second
	}
	return time.Minute
}

// thin drops every second sample. The first one stays.
func thin(samples []Sample) []Sample {
	kept := samples[:0]
	for i := 0; i < len(samples); i += 2 {
		kept = append(kept, samples[i])
	}
	return kept
}

// sampler takes samples in a goroutine of its own, so that it neither delays a
// cycle nor fails it.
type sampler struct {
	look  func() (Sample, Phase)
	save  func([]Sample)
	nudge chan struct{} // a phase begins
	stop  context.CancelFunc

	mu      sync.Mutex // held while a file is written, not while processes are looked at
	samples []Sample
	stride  time.Duration // doubles with each thinning
	ended   bool
}

// startSampler goes on with the samples of a process that is no more.
func startSampler(ctx context.Context, past []Sample, look func() (Sample, Phase), save func([]Sample)) *sampler {
	s := &sampler{look: look, save: save, nudge: make(chan struct{}, 1), samples: past, stride: 1}
	ctx, s.stop = context.WithCancel(ctx)
	go s.run(ctx)
	return s
}

func (s *sampler) run(ctx context.Context) {
	var phase Phase
	var since, saved time.Time
	for {
		began := time.Now()
		sample, now := s.look()
		took := time.Since(began)
		changed := now != phase
		if changed {
			phase, since = now, began
		}
		due := changed || began.Sub(saved) >= sampleSave
		if due {
			saved = began
		}
		pause := max(s.add(sample, due)*samplePause(phase, began.Sub(since)), sampleShare*took)
		select {
		case <-ctx.Done():
			return
		case <-s.nudge:
		case <-time.After(pause):
		}
	}
}

// add returns how many times longer than usual the pause is to be.
func (s *sampler) add(sample Sample, save bool) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return s.stride
	}
	if s.samples = append(s.samples, sample); len(s.samples) > maxSamples {
		s.samples = thin(s.samples)
		s.stride *= 2
	}
	if save {
		s.save(s.samples)
	}
	return s.stride
}

// phase says that a phase begins; the short ones would be missed otherwise.
func (s *sampler) phase() {
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}

// end writes what there is. More than once does no harm.
func (s *sampler) end() {
	if s == nil {
		return
	}
	s.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.ended = true
		s.save(s.samples)
	}
}

// sample begins with Starting: before there is one generation, and nothing to
// compare.
func (c *cycle) sample(phase Phase) {
	if phase.isEarly() && phase != Starting {
		return
	}
	if c.samples != nil {
		c.samples.phase()
		return
	}
	past, err := c.s.store.runningSamples(c.rec)
	if err != nil {
		c.s.log.Debug("earlier samples are lost", "error", err)
	}
	asked := make(map[string]time.Time)
	instance, id := c.rec.Instance, c.rec.ID // the record belongs to another goroutine
	c.samples = startSampler(c.ctx, past, func() (Sample, Phase) { return c.s.sample(asked) }, func(all []Sample) {
		if err := c.s.store.saveSamples(instance, id, all); err != nil {
			c.s.log.Debug("cannot write the samples", "error", err)
		}
	})
}

// sample looks at both generations. From Linux 6.2 on what it costs does not
// depend on how many connections there are, see [nginx.CountFDs].
// asked is when the probes known were asked last.
func (s *Supervisor) sample(asked map[string]time.Time) (Sample, Phase) {
	v := s.snapshot()
	now := Sample{At: time.Now()}
	now.OldWorkers, now.OldConnections = crowd(v.main, v.listeners)
	now.SuccessorWorkers, now.SuccessorConnections = crowd(v.successor, v.listeners)
	if v.cycle != nil {
		for _, p := range v.cycle.Probes {
			if p.Asked.After(asked[p.Target]) {
				asked[p.Target] = p.Asked
				now.Probes = append(now.Probes, ProbeSample{p.Asked, p.Target, p.Good, p.TookUS})
			}
		}
	}
	return now, v.phase
}

func crowd(master *nginx.ID, listeners int) (workers, connections int) {
	if master == nil {
		return 0, 0
	}
	m := masterStatus(*master, "", "", listeners)
	for _, w := range m.Workers {
		connections += w.Connections
	}
	return len(m.Workers), connections
}
