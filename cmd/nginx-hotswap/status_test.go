package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

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

// soaking is half a minute into the verdict.
func soaking() supervisor.Status {
	s := upgrading()
	s.Cycle = &supervisor.CycleStatus{
		ID: "20261122T115940.000-abcde", Origin: supervisor.OriginDpkg, Started: *before(20 * time.Second), From: "1.26.3", To: "1.28.0",
		Connections: 37, SoakUntil: before(-7 * time.Second),
		Steps: []supervisor.StepRecord{
			{Phase: supervisor.Verifying, Started: *before(20 * time.Second), DurationMS: 180},
			{Phase: supervisor.Keeping, Started: *before(19820 * time.Millisecond), DurationMS: 3},
			{Phase: supervisor.Starting, Started: *before(19817 * time.Millisecond), DurationMS: 21},
			{Phase: supervisor.Shifting, Started: *before(19796 * time.Millisecond), DurationMS: 6},
			{Phase: supervisor.Soaking, Started: *before(19790 * time.Millisecond)},
		},
		Probes: []supervisor.ProbeStatus{
			{Target: "http://127.0.0.1/health", Good: true, Asked: *before(time.Second), TookUS: 1240, Rounds: 19},
			{Target: "https://blog.example/", Text: "status 502, not 200", Asked: *before(600 * time.Millisecond), TookUS: 22000, Rounds: 2},
		},
	}
	return s
}

// draining has its verdict.
func draining() supervisor.Status {
	s := soaking()
	s.Phase, s.Cycle.Probes = supervisor.Draining, s.Cycle.Probes[:1]
	s.Cycle.Steps[4].DurationMS = 10_000
	s.Cycle.Steps = append(s.Cycle.Steps, supervisor.StepRecord{Phase: supervisor.Draining, Started: *before(9790 * time.Millisecond)})
	s.Cycle.KeepUntil = before(-110210 * time.Millisecond)
	s.Cycle.DrainUntil = before(-time.Hour)
	return s
}

// goingBack is on its way back.
func goingBack() supervisor.Status {
	s := soaking()
	s.Phase, s.Cycle.Probes = supervisor.Dismissing, nil
	s.Cycle.Reason = "worker 2501 of 1.28.0 died by SIGSEGV 3 times"
	s.Cycle.Steps[4].DurationMS = 2_500
	s.Cycle.Steps = append(s.Cycle.Steps,
		supervisor.StepRecord{Phase: supervisor.Reviving, Started: *before(17290 * time.Millisecond), DurationMS: 31},
		supervisor.StepRecord{Phase: supervisor.Returning, Started: *before(17259 * time.Millisecond), DurationMS: 2},
		supervisor.StepRecord{Phase: supervisor.Dismissing, Started: *before(17257 * time.Millisecond)})
	s.Masters[0].Workers = append(s.Masters[0].Workers, supervisor.WorkerStatus{PID: 2601, Connections: 9})
	return s
}

// stuckReason has the commands of both ways out, each in a line of its own.
const stuckReason = `stuck: reviving: it took too long (more than 35s); both masters are left as they are
to keep 1.28.0 (old master 2402 finishes its requests and goes), run
    kill -CONT 2402 && sleep 1 && kill -QUIT 2402
to go back to 1.26.3 (successor 2500 finishes its requests and goes), run
    kill -CONT 2402 && sleep 1 && kill -HUP 2402 && sleep 1 && kill -QUIT 2500`

// pictures are what TestRender draws.
func pictures() map[string][]supervisor.Status {
	down := supervisor.Status{Name: "angie", Phase: supervisor.Idle, Reason: "nginx is not running: angie.service is inactive"}
	unconfirmed := draining()
	unconfirmed.Cycle.KeepUntil, unconfirmed.Cycle.DrainUntil, unconfirmed.Cycle.ConfirmUntil = nil, nil, before(-14*time.Minute)
	unconfirmed.Reason = "the old master waits; without `nginx-hotswap confirm nginx` within 15min it comes back"
	drained := draining()
	drained.Masters[0].Workers = nil
	ended := goingBack()
	ended.Last = &supervisor.LastStatus{ID: ended.Cycle.ID, Result: supervisor.RolledBack, Finished: &noon}
	busy, rude := busyDrain(), rudeOne()
	failing := waiting()
	failing.Reason = "it was tried and rolled back: worker 2501 of 1.28.0 died by SIGSEGV 3 times; `nginx-hotswap upgrade` tries it again"
	failing.Alert = "1.28.0 does not run"
	held := serving()
	held.Held = true
	heldBack, heldBad, unknown := under("blog", waiting()), under("shop", waiting()), supervisor.Status{Name: "wiki", Phase: supervisor.Idle}
	heldBack.Held, heldBack.Reason = true, "held"
	heldBad.Held, heldBad.Reason = true, "/usr/sbin/nginx is not executable"
	stuck := upgrading()
	stuck.Phase, stuck.Pending, stuck.Reason, stuck.Alert = supervisor.Idle, true, stuckReason, stuckReason
	endless := soaking() // SoakSec=infinity
	endless.Cycle.SoakUntil = before(-200 * 365 * 24 * time.Hour)
	return map[string][]supervisor.Status{
		"nothing": nil, "idle": {down, serving(), waiting()}, "soaking": {soaking()}, "draining": {draining()}, "unconfirmed": {unconfirmed},
		"drained": {drained}, "going-back": {goingBack()}, "ended": {ended}, "busy": {busy}, "two": {busy, under("blog", goingBack())},
		"stuck": {stuck}, "rude": {rude}, "held": {held, heldBack, heldBad, unknown}, "endless": {endless}, "failing": {failing},
	}
}

// busyDrain has many workers.
func busyDrain() supervisor.Status {
	s := draining()
	s.Masters = slices.Clone(s.Masters)
	for i := range 32 {
		s.Masters[1].Workers = append(s.Masters[1].Workers, supervisor.WorkerStatus{PID: 3000 + i, Connections: 100})
	}
	return s
}

// rudeOne has a reason that would do things to a terminal.
func rudeOne() supervisor.Status {
	s := waiting()
	s.Name, s.Reason = "rude", "nginx said \x1b[2J\x1b]0;title\x07 and\r\ntwo\tlines \x9b31m \u202ebackwards \xff"
	s.Running.Version = "1\x1b[31m.2"
	return s
}

func TestRender(t *testing.T) {
	for name, list := range pictures() {
		for screen, c := range map[string]canvas{"80x24": {80, 23, false}, "40x24": {40, 23, false}, "page": {}} {
			t.Run(name+"/"+screen, func(t *testing.T) {
				got := render(list, noon, c)
				fits(t, got, c)
				golden(t, "render-"+name+"-"+screen, got)
			})
		}
	}
	t.Run("color", func(t *testing.T) {
		golden(t, "render-color", strings.Split(strings.ReplaceAll(strings.Join(render([]supervisor.Status{soaking(), goingBack()}, noon, canvas{80, 50, true}), "\n"), "\x1b", "␛"), "\n"))
	})
	t.Run("small", func(t *testing.T) {
		for width := range 30 {
			for height := 1; height < 12; height++ {
				c := canvas{width + 1, height, false}
				fits(t, render([]supervisor.Status{busyDrain(), goingBack(), rudeOne()}, noon, c), c)
			}
		}
	})
}

func under(name string, s supervisor.Status) supervisor.Status {
	s.Name = name
	return s
}

// fits checks that a picture fits, and that there is nothing in it that a
// terminal would not just show.
func fits(t *testing.T, lines []string, c canvas) {
	t.Helper()
	if c.height > 0 && len(lines) > c.height {
		t.Errorf("%d lines on a screen of %d", len(lines), c.height)
	}
	for _, text := range lines {
		if c.width > 0 && cells(text) > c.width {
			t.Errorf("%d cells on a screen of %d: %s", cells(text), c.width, text)
		}
		if text != printable(text) {
			t.Errorf("not printable: %q", text)
		}
	}
}

func TestPrintStatusWithoutDaemon(t *testing.T) {
	var got strings.Builder
	if err := printStatus(&got, []supervisor.Status{serving()}, false, noon, canvas{}); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(got.String(), withoutDaemon(os.Geteuid()), withoutDaemon(0), 1)
	golden(t, "without-daemon", strings.Split(strings.TrimSuffix(text, "\n"), "\n"))
}
