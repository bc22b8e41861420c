//go:build box

package packages

import (
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// suffers asserts that the distribution alone loses requests: otherwise the
// scenario proves nothing.
func (r *row) suffers(t *testing.T) {
	t.Helper()
	if r.traffic.Total.Failed == 0 {
		t.Errorf("%s without nginx-hotswap failed no request: it proves nothing\n%s", r.scenario, r.output)
	}
}

// lossless asserts that no request failed.
func (r *row) lossless(t *testing.T) {
	t.Helper()
	if err := r.traffic.Verdict(); err != nil {
		t.Errorf("%s: %v: %+v", r.scenario, err, r.traffic.Failures)
	}
}

// one asserts that there was exactly one cycle with that result, and returns it.
func (r *row) one(t *testing.T, result supervisor.Result, origin supervisor.Origin) supervisor.Record {
	t.Helper()
	if len(r.cycles) != 1 || r.cycles[0].Result != result || r.cycles[0].Origin != origin {
		t.Fatalf("%s: cycles %s, want %s by %s\n%s", r.scenario, results(r.cycles), result, origin, r.output)
	}
	return r.cycles[0]
}

// upgraded asserts all that a good upgrade is.
func (m *machine) upgraded(r *row, origin supervisor.Origin) {
	m.t.Helper()
	r.lossless(m.t)
	cycle := r.one(m.t, supervisor.Upgraded, origin)
	if r.exit != 0 {
		m.t.Errorf("%s: status %d\n%s", r.scenario, r.exit, r.output)
	}
	if cycle.Old.PID != r.before || cycle.Successor.PID != r.after || r.before == r.after {
		m.t.Errorf("%s: MainPID %d, then %d, of a cycle from %d to %d", r.scenario, r.before, r.after, cycle.Old.PID, cycle.Successor.PID)
	}
	if s := m.idle(); s.Pending || s.MainPID != r.after {
		m.t.Errorf("%s: afterwards %+v", r.scenario, s)
	}
	if n := m.property("NRestarts"); n != "0" {
		m.t.Errorf("%s: %s restarts", r.scenario, n)
	}
	m.swift(r)
	m.released()
}

// swift asserts that the package manager was not held up: no hook has used up its
// time.
func (m *machine) swift(r *row) {
	m.t.Helper()
	if strings.Contains(r.output, "not done within HookTimeoutSec=") {
		m.t.Errorf("%s: took %v", r.scenario, r.took)
	}
}

// released asserts that an administrator may stop the unit.
func (m *machine) released() {
	m.t.Helper()
	if got := m.property("RefuseManualStop"); got != "no" {
		m.t.Errorf("RefuseManualStop=%s afterwards", got)
	}
}
