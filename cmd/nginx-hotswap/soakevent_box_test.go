//go:build box

package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// soakEvent is what happens in the middle of a cycle.
type soakEvent struct {
	name string
	do   func(s *soaker, r soakRun)
	// restarts: it costs requests, and runs whatever is on disk.
	restarts bool
	// atOnce: it waits for its moment itself, from what it waits for on.
	atOnce bool
	// harmless: in spite of it, what landed last runs at the end, if it is good.
	harmless bool
}

var soakEvents = []soakEvent{
	{name: "nothing", harmless: true, do: func(*soaker, soakRun) {}},
	{name: "kill of the daemon", harmless: true, do: func(s *soaker, _ soakRun) {
		s.sh("systemctl kill -s KILL nginx-hotswap")
	}},
	{name: "restart of the daemon", harmless: true, do: func(s *soaker, _ soakRun) {
		s.sh("systemctl restart nginx-hotswap")
	}},
	{name: "reload", harmless: true, do: (*soaker).reload},
	{name: "second binary", harmless: true, do: func(s *soaker, r soakRun) { s.land(r.second) }},
	{name: "broken configuration", do: (*soaker).breakConfiguration},
	{name: "rollback", do: (*soaker).rollback},
	{name: "kill of the successor", atOnce: true, do: (*soaker).killSuccessor},
	{name: "restart", restarts: true, harmless: true, do: func(s *soaker, _ soakRun) {
		s.sh("systemctl restart nginx")
	}},
}

// reload may fail for an instant: nginx -s finds no pid file while a successor
// starts, as with an upgrade by hand.
func (s *soaker) reload(soakRun) {
	s.t.Helper()
	s.t.Log(s.sh("systemctl reload nginx 2>&1 || echo the reload failed"))
}

// breakConfiguration writes what no nginx accepts, for a while.
func (s *soaker) breakConfiguration(r soakRun) {
	s.t.Helper()
	s.write("/etc/nginx/conf.d/broken.conf", "this is not a directive;\n")
	time.Sleep(r.pause) // how long it is broken is what is tried
	s.sh("rm /etc/nginx/conf.d/broken.conf")
}

// rollback is asked for by a person; whether there is something to go back to
// is chance.
func (s *soaker) rollback(soakRun) {
	s.t.Helper()
	s.t.Log(s.sh("timeout 60 nginx-hotswap rollback nginx 2>&1 || echo exit status $?"))
}

// killSuccessor kills the successor's master while the old one is surely kept,
// a while after it was seen first. Where none comes it does nothing.
func (s *soaker) killSuccessor(r soakRun) {
	s.t.Helper()
	var seen time.Time
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		pid, phase := s.successor()
		if pid != 0 && seen.IsZero() {
			seen = time.Now()
		}
		if pid != 0 && time.Since(seen) >= r.after {
			s.t.Log("killed while", phase, s.sh(fmt.Sprintf("kill -KILL %d || true", pid)))
			return
		}
	}
	s.t.Log("no successor was there so long")
}

// successor returns the pid of a successor whose verdict is not known yet.
func (s *soaker) successor() (int, supervisor.Phase) {
	s.t.Helper()
	status := s.status()
	if !slices.Contains([]supervisor.Phase{supervisor.Starting, supervisor.Shifting, supervisor.Soaking}, status.Phase) {
		return 0, status.Phase
	}
	return successorIn(status).PID, status.Phase
}
