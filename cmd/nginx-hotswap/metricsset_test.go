package main

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// metricsFile has every metric that there is. Rules, dashboard and documentation
// in contrib are compared with it.
const metricsFile = "testdata/metrics.prom"

var metricsNow = time.Date(2026, 5, 1, 12, 0, 0, 250e6, time.UTC)

func TestMetricSet(t *testing.T) {
	m := newMetricSet(metricsNow)
	past := finishedRecord("nginx", supervisor.Upgraded)
	past.Finished = &metricsNow
	m.recall(past)
	m.recall(finishedRecord("gone", supervisor.Stuck))
	m.show(busyStatus("nginx"))
	m.show(supervisor.Status{Name: "odd\xff\"\n", Phase: supervisor.Idle})
	m.count(finishedRecord("nginx", supervisor.Rejected))
	m.count(finishedRecord("nginx", supervisor.RolledBack))
	text, err := m.text()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.NewReplacer(runtime.Version(), "go", version(), "devel").Replace(string(text))
	want, err := os.ReadFile(metricsFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-) and the metrics (+):\n%s\nall of them:\n%s", metricsFile, diff, got)
	}
}

// What is not there any more is not told of, and counts anew when it comes back.
func TestMetricSetForgets(t *testing.T) {
	m := newMetricSet(metricsNow)
	m.show(busyStatus("nginx"))
	m.count(finishedRecord("nginx", supervisor.Upgraded))
	m.forget("nginx")
	m.sweep()
	if text, err := m.text(); err != nil || strings.Contains(string(text), `name="nginx"`) {
		t.Errorf("%v\n%s", err, text)
	}
	m.show(busyStatus("nginx"))
	m.sweep()
	text, err := m.text()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`nginx_hotswap_cycles_total{name="nginx",result="upgraded"} 0`, `nginx_hotswap_last_cycle_success{name="nginx"} 1`} {
		if !strings.Contains(string(text), line+"\n") {
			t.Errorf("no line %s in\n%s", line, text)
		}
	}
}

// busyStatus is an instance in the middle of everything.
func busyStatus(name string) supervisor.Status {
	since := metricsNow.Add(-time.Hour)
	return supervisor.Status{
		Name: name, MainPID: 11, Pending: true, Held: true, Alert: "why", Phase: supervisor.Draining,
		Running: supervisor.RunningStatus{BuildStatus: supervisor.BuildStatus{Version: "1.26.3"}, Since: &since},
		Masters: make([]supervisor.MasterStatus, 2),
		Cycle:   &supervisor.CycleStatus{Steps: []supervisor.StepRecord{{Phase: supervisor.Soaking}, {Phase: supervisor.Draining, Started: metricsNow}}},
	}
}

func finishedRecord(instance string, result supervisor.Result) *supervisor.Record {
	finished := metricsNow.Add(90 * time.Second)
	return &supervisor.Record{
		Instance: instance, Result: result, Origin: supervisor.OriginDpkg, Started: metricsNow, Finished: &finished,
		Steps: []supervisor.StepRecord{{Phase: supervisor.Soaking, DurationMS: 1500}, {Phase: supervisor.Draining, DurationMS: 80000}, {Phase: supervisor.Soaking, DurationMS: 250}},
	}
}
