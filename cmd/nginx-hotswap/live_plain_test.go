package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// TestPlainView shows a cycle to a pipe, moment by moment.
func TestPlainView(t *testing.T) {
	var out strings.Builder
	p := newPlainView(&out)
	at := noon
	show := func(after time.Duration, list ...supervisor.Status) {
		at = at.Add(after)
		p.show(list, at)
	}
	left := func(connections ...int) supervisor.Status {
		s := draining()
		s.Masters = slices.Clone(s.Masters)
		s.Masters[0].Workers = nil
		for i, n := range connections {
			s.Masters[0].Workers = append(s.Masters[0].Workers, supervisor.WorkerStatus{PID: 2403 + i, Draining: true, Connections: n})
		}
		return s
	}
	down := supervisor.Status{Name: "angie", Phase: supervisor.Idle, Reason: "nginx is not running: \x1b[2Jangie.service is inactive"}
	show(0, down, serving())
	show(time.Second, down, serving())
	show(time.Second, down, soaking())
	show(time.Second, down, soaking())
	show(7*time.Second, down, draining())
	show(time.Second, down, left(3))      // too soon, and too little
	show(time.Second, down, left(2))      // half of it
	show(8*time.Second, down, left(2, 0)) // nothing new
	show(8*time.Second, down, left(1, 0))
	show(time.Second, down, left())
	show(time.Second, under("blog", goingBack()))
	// The first look after both: the cause comes first.
	unwell := goingBack()
	cycle := *unwell.Cycle
	cycle.Reason = "https://shop.example/: status 502, not 200"
	cycle.Probes = []supervisor.ProbeStatus{{Target: "https://shop.example/", Text: "status 502, not 200", Asked: noon.Add(-18 * time.Second)}}
	unwell.Cycle = &cycle
	show(time.Second, under("shop", unwell))
	golden(t, "plain", strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n"))
}

// A daemon that has just been started has not looked yet: that is no nginx that does
// not run.
func TestPlainWaitsForTheFirstLook(t *testing.T) {
	var out strings.Builder
	view := newPlainView(&out)
	view.show([]supervisor.Status{{Name: "nginx", Phase: supervisor.Idle}}, noon)
	if out.String() != "" {
		t.Errorf("at once: %s", out.String())
	}
	view.show([]supervisor.Status{serving()}, noon)
	if want := "12:00:00 nginx: nginx 1.26.3 runs as master 2402 since 09:00:00\n"; out.String() != want {
		t.Errorf("then: %s", out.String())
	}
}

// A command that a person has to run is in a line of its own.
func TestPlainKeepsLines(t *testing.T) {
	var out strings.Builder
	stuck := serving()
	stuck.Reason = stuckReason
	newPlainView(&out).show([]supervisor.Status{stuck}, noon)
	if want := "\n12:00:00 nginx:     kill -CONT 2402 && sleep 1 && kill -QUIT 2402\n"; !strings.Contains(out.String(), want) {
		t.Error(out.String())
	}
}
