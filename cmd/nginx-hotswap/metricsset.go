package main

import (
	"bytes"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// metricSet holds the figures. There is a registry of our own, without what
// client_golang tells of the Go runtime and of the process: systemd does that.
//
// An instance is called "name", as in `status --json`: the label "instance" is
// the scraped host's.
type metricSet struct {
	registry  *prometheus.Registry
	cycles    *prometheus.CounterVec
	duration  prometheus.Histogram
	instances map[string]*instanceMetrics
}

// instanceMetrics is what is known of one instance.
type instanceMetrics struct {
	status *supervisor.Status // nil: only the history speaks of it
	last   *supervisor.Record
}

// countedResults are those that get into the history. Each counter begins at 0,
// or the first event would be none for increase().
var countedResults = []supervisor.Result{supervisor.Upgraded, supervisor.Adopted, supervisor.Rejected,
	supervisor.RolledBack, supervisor.Stuck, supervisor.Overtaken, supervisor.Lost}

// durationBuckets reach from a cycle without any waiting to one whose old
// workers have downloads to finish.
var durationBuckets = []float64{1, 2, 5, 10, 20, 60, 120, 300, 900, 3600, 6 * 3600, 24 * 3600}

func newMetricSet(now time.Time) *metricSet {
	m := &metricSet{
		registry: prometheus.NewRegistry(),
		cycles: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "nginx_hotswap_cycles_total",
			Help: "Upgrades that have ended, since the daemon has started."}, []string{"name", "result"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "nginx_hotswap_cycle_duration_seconds",
			Help: "How long upgrades have taken that were not refused beforehand, since the daemon has started.", Buckets: durationBuckets}),
		instances: make(map[string]*instanceMetrics),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "nginx_hotswap_build_info", Help: "The daemon that runs.",
		ConstLabels: prometheus.Labels{"version": valid(version()), "goversion": runtime.Version()}})
	build.Set(1)
	started := prometheus.NewGauge(prometheus.GaugeOpts{Name: "nginx_hotswap_start_time_seconds", Help: "When the daemon has begun to count."})
	started.Set(seconds(now))
	m.registry.MustRegister(m.cycles, m.duration, build, started, m)
	return m
}

func (m *metricSet) of(name string) *instanceMetrics {
	if m.instances[name] == nil {
		m.instances[name] = new(instanceMetrics)
	}
	return m.instances[name]
}

// show takes over the state of an instance.
func (m *metricSet) show(s supervisor.Status) {
	m.of(s.Name).status = &s
	for _, result := range countedResults {
		m.cycles.WithLabelValues(valid(s.Name), string(result))
	}
}

// forget hides an instance until it is shown again.
func (m *metricSet) forget(name string) {
	if i := m.instances[name]; i != nil {
		i.status = nil
	}
}

// sweep removes what was counted for instances that were not shown again.
func (m *metricSet) sweep() {
	for name, i := range m.instances {
		if i.status == nil {
			m.cycles.DeletePartialMatch(prometheus.Labels{"name": valid(name)})
		}
	}
}

// recall takes over a cycle of the past.
func (m *metricSet) recall(r *supervisor.Record) { m.of(r.Instance).last = lean(r) }

// count takes over a cycle that has just ended.
func (m *metricSet) count(r *supervisor.Record) {
	m.recall(r)
	m.cycles.WithLabelValues(valid(r.Instance), string(r.Result)).Inc()
	if r.Result != supervisor.Rejected {
		m.duration.Observe(took(r).Seconds())
	}
}

// lean is a record without what is of no interest here, which is most of it.
func lean(r *supervisor.Record) *supervisor.Record {
	return &supervisor.Record{Result: r.Result, Origin: r.Origin, Started: r.Started, Finished: r.Finished, Steps: r.Steps}
}

func took(r *supervisor.Record) time.Duration {
	if r.Finished == nil {
		return 0
	}
	return r.Finished.Sub(r.Started)
}

// text is the exposition format of everything.
func (m *metricSet) text() ([]byte, error) {
	families, err := m.registry.Gather()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&out, family); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// valid makes any text fit for a label.
func valid(text string) string { return strings.ToValidUTF8(text, "�") }

// succeeded reports whether what was to run does.
func succeeded(r supervisor.Result) bool {
	return slices.Contains([]supervisor.Result{supervisor.Upgraded, supervisor.Adopted}, r)
}
