package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

func TestAgoText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                "0s",
		59*time.Second + 999e6:           "59s",
		time.Minute:                      "1min",
		time.Hour - time.Second:          "59min",
		time.Hour:                        "1h",
		48*time.Hour - time.Second:       "47h",
		48 * time.Hour:                   "2d",
		400*24*time.Hour + 5*time.Minute: "400d",
		-time.Second:                     "0s", // the clock was set back
	} {
		if got := agoText(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}

// noon is when the tables of TestPrintStatus are printed.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func before(d time.Duration) *time.Time {
	t := noon.Add(-d)
	return &t
}

// serving is an instance that has been upgraded and has nothing to do.
func serving() supervisor.Status {
	build := supervisor.BuildStatus{Version: "1.26.3", SHA256: "3f9c2a41"}
	return supervisor.Status{
		Name: "nginx", Unit: "nginx.service", MainPID: 2402, Phase: supervisor.Idle, Disk: build,
		Running: supervisor.RunningStatus{BuildStatus: build, Path: "/usr/sbin/nginx", Since: before(3 * time.Hour)},
		Masters: []supervisor.MasterStatus{{PID: 2402, Role: "main", Version: "1.26.3",
			Workers: []supervisor.WorkerStatus{{PID: 2403, Connections: 12}}}},
		Last: &supervisor.LastStatus{ID: "20261122T090000.000-abcde", Result: supervisor.Upgraded, Finished: before(2 * time.Hour)},
	}
}

// waiting is one with a binary on disk that is not tried.
func waiting() supervisor.Status {
	s := serving()
	s.Name, s.MainPID, s.Last = "nginx@blog", 17, nil
	s.Disk = supervisor.BuildStatus{SHA256: "a01b"}
	s.Pending, s.Reason = true, "Automatic=no"
	return s
}

// upgrading is one in the middle of a cycle.
func upgrading() supervisor.Status {
	s := serving()
	s.Phase, s.Disk = supervisor.Soaking, supervisor.BuildStatus{Version: "1.28.0", SHA256: "77aa"}
	s.Running.Since = before(50 * time.Hour)
	s.Masters = []supervisor.MasterStatus{
		{PID: 2402, Role: "old", Version: "1.26.3", Workers: []supervisor.WorkerStatus{
			{PID: 2403, Draining: true, Connections: 3}, {PID: 2404, Draining: true, Connections: 1}}},
		{PID: 2500, Role: "successor", Version: "1.28.0", Workers: []supervisor.WorkerStatus{{PID: 2501, Connections: 40}}},
	}
	return s
}

func TestPrintStatus(t *testing.T) {
	down := supervisor.Status{Name: "angie", Phase: supervisor.Idle, Reason: "nginx is not running: angie.service is inactive"}
	for _, test := range []struct {
		name   string
		list   []supervisor.Status
		daemon bool
		want   string
	}{
		{"nothing", nil, true, `
There is no instance: no unit matches Units= and instance.d is empty.
`},
		{"no daemon", []supervisor.Status{serving()}, false, `
The daemon is not running: this is what the processes and files say.
INSTANCE  RUNNING  MASTER  SINCE   DISK  PHASE  LAST CYCLE
nginx     1.26.3   2402    3h ago  same  idle   upgraded 2h ago
`},
		{"one pending, one down", []supervisor.Status{down, serving(), waiting()}, true, `
INSTANCE    RUNNING  MASTER  SINCE   DISK     PHASE  LAST CYCLE
angie       -        -       -       -        idle   -
nginx       1.26.3   2402    3h ago  same     idle   upgraded 2h ago
nginx@blog  1.26.3   17      3h ago  differs  idle   -

angie: nginx is not running: angie.service is inactive

nginx@blog: Automatic=no
`},
		{"in a cycle", []supervisor.Status{upgrading()}, true, `
INSTANCE  RUNNING  MASTER  SINCE   DISK    PHASE    LAST CYCLE
nginx     1.26.3   2402    2d ago  1.28.0  soaking  upgraded 2h ago

nginx: old master 2402, nginx 1.26.3
  ├─ worker 2403 drains, 3 connections
  └─ worker 2404 drains, 1 connection
nginx: successor master 2500, nginx 1.28.0
  └─ worker 2501 accepts, 40 connections
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got strings.Builder
			if err := printStatus(&got, test.list, test.daemon, noon); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, "\n"+got.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
