package main

import (
	"cmp"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

func instanceMetric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("nginx_hotswap_"+name, help, append([]string{"name"}, labels...), nil)
}

// What is told of each instance. Those of the last cycle come from the history,
// so that they outlive the daemon.
var (
	metricAttached   = instanceMetric("attached", "Whether the instance has a master that is looked after.")
	metricRunning    = instanceMetric("running_info", "The nginx that serves.", "version")
	metricSince      = instanceMetric("running_start_time_seconds", "When the master that serves has started.")
	metricPending    = instanceMetric("pending", "Whether what is on disk is not what runs.")
	metricHeld       = instanceMetric("held", "Whether upgrades are held.")
	metricAttention  = instanceMetric("attention", "Whether the instance needs a person.")
	metricRetained   = instanceMetric("old_master_retained", "Whether the old master of an upgrade is still there.")
	metricPhase      = instanceMetric("phase_start_time_seconds", "Since when the upgrade that runs is in its phase.", "phase")
	metricLast       = instanceMetric("last_cycle_info", "How the last upgrade has ended, and who has asked for it.", "result", "origin")
	metricLastTime   = instanceMetric("last_cycle_timestamp_seconds", "When the last upgrade has ended.")
	metricLastGood   = instanceMetric("last_cycle_success", "Whether the last upgrade has put a new version into service.")
	metricLastTook   = instanceMetric("last_cycle_duration_seconds", "How long the last upgrade has taken.")
	metricLastPhases = instanceMetric("last_cycle_phase_duration_seconds", "How long the last upgrade was in each phase.", "phase")
)

var instanceMetricDescs = []*prometheus.Desc{metricAttached, metricRunning, metricSince, metricPending, metricHeld, metricAttention,
	metricRetained, metricPhase, metricLast, metricLastTime, metricLastGood, metricLastTook, metricLastPhases}

// Describe is that of a prometheus.Collector.
func (m *metricSet) Describe(out chan<- *prometheus.Desc) {
	for _, d := range instanceMetricDescs {
		out <- d
	}
}

// Collect is that of a prometheus.Collector.
func (m *metricSet) Collect(out chan<- prometheus.Metric) {
	for name, i := range m.instances {
		if i.status == nil {
			continue // it was looked after once
		}
		tell := func(d *prometheus.Desc, value float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{valid(name)}, labels...)...)
		}
		tellStatus(tell, *i.status)
		if i.last != nil {
			tellLast(tell, i.last)
		}
	}
}

func tellStatus(tell func(*prometheus.Desc, float64, ...string), s supervisor.Status) {
	tell(metricAttached, number(s.MainPID != 0))
	tell(metricPending, number(s.Pending))
	tell(metricHeld, number(s.Held))
	tell(metricAttention, number(s.Alert != ""))
	tell(metricRetained, number(len(s.Masters) > 1))
	if s.Running.Version != "" {
		tell(metricRunning, 1, valid(s.Running.Version))
	}
	if since := s.Running.Since; since != nil && !since.IsZero() {
		tell(metricSince, seconds(*since))
	}
	if s.Cycle != nil && len(s.Cycle.Steps) > 0 {
		now := s.Cycle.Steps[len(s.Cycle.Steps)-1]
		tell(metricPhase, seconds(now.Started), string(now.Phase))
	}
}

func tellLast(tell func(*prometheus.Desc, float64, ...string), r *supervisor.Record) {
	tell(metricLast, 1, string(r.Result), string(r.Origin))
	tell(metricLastGood, number(succeeded(r.Result)))
	tell(metricLastTook, took(r).Seconds())
	tell(metricLastTime, seconds(*cmp.Or(r.Finished, &r.Started)))
	phases := make(map[supervisor.Phase]time.Duration) // one may be entered again
	for _, s := range r.Steps {
		phases[s.Phase] += time.Duration(s.DurationMS) * time.Millisecond
	}
	for phase, took := range phases {
		tell(metricLastPhases, took.Seconds(), string(phase))
	}
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
