//go:build box

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

const (
	soakConfig = "[Supervisor]\nSettleSec=300ms\n[Upgrade]\nSoakSec=1s\nKeepOldSec=500ms\n"
	// soakSpan is how late after the new binary the other thing is done: about
	// as long as a cycle takes. Every second time it is in the part of it in
	// which the most happens.
	soakSpan  = 2500 * time.Millisecond
	busyFrom  = 250 * time.Millisecond
	busyUntil = 750 * time.Millisecond
	// soakFaults is how many runs may fail until the others are not made.
	soakFaults = 5
)

// soaker makes the random runs. All that it decides comes from one source, so
// that a seed repeats them.
type soaker struct {
	*machine
	random  *rand.Rand
	builds  map[badnginx.Kind][]byte // of each kind one, with the version in it
	version string                   // that is in them
	workers int                      // that the configuration asks for
	landed  []soakBuild
	digit   int
	quiet   int // requests of the runs that may lose none
	loud    soakLoss
}

// soakBuild is a binary that was put in place.
type soakBuild struct {
	kind   badnginx.Kind
	sha256 string
}

// soakLoss is what the runs lost that had a bad build or a restart in them.
type soakLoss struct{ runs, requests, failed int }

// soakRun is one run as it was drawn.
type soakRun struct {
	number int
	kind   badnginx.Kind
	event  soakEvent
	after  time.Duration
	second badnginx.Kind // of the binary that the event puts in place
	pause  time.Duration // until the event undoes what it did
}

func (r soakRun) String() string {
	text := fmt.Sprintf("run %d: %s build, %s after %v", r.number, r.kind, r.event.name, r.after.Round(time.Millisecond))
	if r.event.name == "second binary" {
		text += ", " + string(r.second)
	}
	return text
}

// good reports whether nothing in the run may cost a request.
func (r soakRun) good() bool {
	return r.kind == badnginx.Good && !r.event.restarts && (r.event.name != "second binary" || r.second == badnginx.Good)
}

// Whatever happens in the middle of a cycle, all is well some seconds later.
// NGINX_HOTSWAP_SOAK_RUNS and NGINX_HOTSWAP_SOAK_SEED say how many runs and
// which ones.
func TestBoxSoak(t *testing.T) {
	runs, seed := soakNumber(t, "NGINX_HOTSWAP_SOAK_RUNS", 20), soakNumber(t, "NGINX_HOTSWAP_SOAK_SEED", 1)
	t.Logf("%d runs with seed %d", runs, seed)
	s := newSoaker(t, uint64(seed))
	faults := 0
	for i := 1; i <= runs && faults < soakFaults; i++ {
		if !s.run(s.draw(i)) {
			faults++
		}
	}
	t.Logf("seed %d: %d faulty runs; %d requests where none may fail; elsewhere %d runs with %d requests, %d failed",
		seed, faults, s.quiet, s.loud.runs, s.loud.requests, s.loud.failed)
}

func soakNumber(t *testing.T, name string, standard int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return standard
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s=%q is not a number", name, text)
	}
	return n
}

func newSoaker(t *testing.T, seed uint64) *soaker {
	t.Helper()
	m := boot(t, soakConfig)
	m.restartable()
	status := m.status()
	version := status.Running.Version
	s := &soaker{machine: m, random: rand.New(rand.NewPCG(seed, 0)), version: version[:len(version)-1] + "9",
		builds: map[badnginx.Kind][]byte{}}
	for _, kind := range soakKinds {
		const path = "/root/build"
		if kind == badnginx.Good {
			m.NewerNginx(t, path, s.version)
		} else {
			badnginx.InBox(t, m.Box, path, kind, '9', 500*time.Millisecond)
		}
		build, err := os.ReadFile(m.Path(path))
		if err != nil {
			t.Fatal(err)
		}
		s.builds[kind] = build
	}
	s.workers = accepting(status)
	if s.workers == 0 {
		t.Fatalf("no worker accepts at the start: %+v", status)
	}
	return s
}

// soakKinds are the builds that are tried, the good one for every second run.
var soakKinds = []badnginx.Kind{badnginx.Good, badnginx.CrashAtStart, badnginx.CrashAtFirstRequest,
	badnginx.CrashAfter, badnginx.ExitMasterAfter, badnginx.ExitAtStart}

// draw takes always as many numbers from the source.
func (s *soaker) draw(number int) soakRun {
	r := soakRun{number: number, kind: s.drawKind(), second: s.drawKind()}
	r.event = soakEvents[s.random.IntN(len(soakEvents))]
	r.after = time.Duration(s.random.Int64N(int64(soakSpan)))
	if busy := busyFrom + time.Duration(s.random.Int64N(int64(busyUntil-busyFrom))); s.random.IntN(2) == 1 {
		r.after = busy
	}
	if r.event.atOnce {
		r.after /= 3 // of its own clock
	}
	r.pause = 100*time.Millisecond + time.Duration(s.random.Int64N(int64(time.Second)))
	return r
}

func (s *soaker) drawKind() badnginx.Kind {
	bad, which := s.random.IntN(2) == 1, 1+s.random.IntN(len(soakKinds)-1)
	if bad {
		return soakKinds[which]
	}
	return badnginx.Good
}

// run makes one run and reports whether nothing was wrong with it.
func (s *soaker) run(r soakRun) bool {
	s.t.Helper()
	s.t.Log(r)
	began := time.Now()
	s.landed = nil
	load := s.startLoad("kind=new,url=http://127.0.0.1:8080/,interval=10ms", "kind=keepalive,url=http://127.0.0.1:8080/,interval=10ms",
		"kind=unix,unix=/run/site.sock,url=http://localhost/,interval=10ms", "kind=stream,url=http://127.0.0.1:8080/stream,hold=700ms,clients=2")
	s.land(r.kind)
	if !r.event.atOnce {
		time.Sleep(r.after) // not a wait for something: the moment is what is tried
	}
	r.event.do(s, r)
	state, faults := s.settled()
	if len(faults) == 0 {
		faults = s.check(r, state)
	}
	faults = append(faults, s.account(r, load)...)
	for _, fault := range faults {
		s.t.Errorf("%v: %s", r, fault)
	}
	if len(faults) > 0 {
		s.t.Logf("%s", s.sh(fmt.Sprintf("journalctl --sync; journalctl -u nginx-hotswap -u nginx --no-pager -o short-precise --since=@%d; nginx-hotswap status || true; tail -5 /var/log/nginx/error.log",
			began.Unix()-1)))
	}
	if len(faults) > 0 || s.bad(state.status.Running.SHA256) {
		s.startOver()
	}
	return len(faults) == 0
}

// account ends the load of a run.
func (s *soaker) account(r soakRun, load *load) []string {
	s.t.Helper()
	report := load.stop()
	if !r.good() {
		s.loud.runs++
		s.loud.requests += report.Total.Requests
		s.loud.failed += report.Total.Failed
		return nil
	}
	s.quiet += report.Total.Requests
	if err := report.Verdict(); err != nil {
		return []string{fmt.Sprintf("%v: %+v", err, report.Failures)}
	}
	return nil
}

// land puts a build in place that was never there before: with another version
// than the one before it, and with its number at the end.
func (s *soaker) land(kind badnginx.Kind) {
	s.t.Helper()
	s.digit++
	build, err := box.PatchVersion(s.builds[kind], s.version, nextVersion(s.version, s.digit))
	if err != nil {
		s.t.Fatal(err)
	}
	build = append(build, fmt.Sprintf("build %d", s.digit)...)
	s.landed = append(s.landed, soakBuild{kind, hashOf(build)})
	if err := s.WriteFile(nginxBinary, build, 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// bad reports whether a build of this run is bad.
func (s *soaker) bad(sha256 string) bool {
	return slices.ContainsFunc(s.landed, func(b soakBuild) bool { return b.sha256 == sha256 && b.kind != badnginx.Good })
}

// startOver makes a good build run after a run that left another one: the next
// one must not suffer from it.
func (s *soaker) startOver() {
	s.t.Helper()
	s.sh("systemctl stop nginx-hotswap; rm -rf /run/nginx-hotswap/cycle")
	s.land(badnginx.Good)
	s.sh("rm -f /run/nginx.pid.oldbin; systemctl restart nginx; systemctl start nginx-hotswap")
	s.eventually("the daemon has attached", func() bool {
		status := s.status()
		return status.Phase == supervisor.Idle && status.MainPID != 0 && strings.EqualFold(status.Running.SHA256, s.landed[len(s.landed)-1].sha256)
	})
}
