//go:build box

package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

func hashOf(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

// soakState is what is seen of the machine at one moment.
type soakState struct {
	facts  soakFacts
	status supervisor.Status
}

// soakFacts are those that the daemon is not asked for. It is comparable.
type soakFacts struct {
	daemon, unit   string // what systemctl is-active says
	restarts       string
	mainPID        string // of systemd
	pidFile        string
	masters        string // their pids
	leftovers      string // files that only a cycle needs
	records        string
	disk           string // SHA-256
	running        string // as the daemon says it
	phase, pending string
	workers        int // that accept
}

const factsScript = `systemctl is-active nginx-hotswap || true
systemctl is-active nginx || true
systemctl show nginx -p NRestarts --value
systemctl show nginx -p MainPID --value
cat /run/nginx.pid 2>/dev/null || echo none
echo $(grep -alE '^nginx: master process' /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3)
echo $(ls -d /run/nginx.pid.oldbin /run/*.nginx-hotswap /usr/sbin/.nginx-hotswap-* 2>/dev/null)
echo $(ls /run/nginx-hotswap/cycle 2>/dev/null)
sha256sum </usr/sbin/nginx
timeout 10 nginx-hotswap status --json`

// look takes in the whole state. What cannot be read is a state as well.
func (s *soaker) look() soakState {
	s.t.Helper()
	out, _, _, err := s.Try(s.t.Context(), factsScript)
	if err != nil {
		s.t.Fatal(err)
	}
	lines := strings.SplitN(out, "\n", 10)
	if len(lines) < 9 {
		s.t.Fatalf("facts: %q", out)
	}
	f := soakFacts{daemon: lines[0], unit: lines[1], restarts: lines[2], mainPID: lines[3], pidFile: lines[4], masters: lines[5],
		leftovers: lines[6], records: lines[7], disk: strings.Fields(lines[8])[0], phase: "unknown"}
	var list []supervisor.Status
	if len(lines) < 10 || json.Unmarshal([]byte(lines[9]), &list) != nil || len(list) != 1 {
		return soakState{facts: f}
	}
	st := list[0]
	f.running, f.phase, f.workers = st.Running.SHA256, string(st.Phase), accepting(st)
	if st.Pending {
		f.pending = st.Disk.SHA256 + " " + st.Reason
	}
	return soakState{f, st}
}

// accepting counts the workers of the main master that accept connections.
func accepting(st supervisor.Status) int {
	n := 0
	for _, m := range st.Masters {
		if m.Role != "main" {
			continue
		}
		for _, w := range m.Workers {
			if !w.Draining {
				n++
			}
		}
	}
	return n
}

// idle reports whether the daemon has nothing to do, as it seems.
func (st soakState) idle() bool {
	f := st.facts
	return f.daemon == "active" && f.phase == string(supervisor.Idle) && st.status.MainPID != 0
}

// quiet is how long nothing must change. What waits is looked at again within
// a second, for example when a job on the unit was in the way; what differs and
// does not wait must have been taken up by then, however busy the machine is.
func (st soakState) quiet() time.Duration {
	switch f := st.facts; {
	case f.disk == f.running:
		return 500 * time.Millisecond
	case f.pending != "":
		return 3 * time.Second
	default:
		return 20 * time.Second
	}
}

// settled waits until nothing changes any more.
func (s *soaker) settled() (soakState, []string) {
	s.t.Helper()
	state := s.look()
	since := time.Now()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		next := s.look()
		// Builds that crash for ever have now this many workers and now that.
		changed := next.facts != state.facts && !(s.bad(next.facts.running) && sameButWorkers(next.facts, state.facts))
		if state = next; changed || !state.idle() {
			since = time.Now()
		}
		if time.Since(since) >= state.quiet() {
			return state, nil
		}
	}
	return state, []string{fmt.Sprintf("it does not settle: %+v", state.facts)}
}

func sameButWorkers(a, b soakFacts) bool {
	a.workers, b.workers = 0, 0
	return a == b
}

// check returns what is wrong with the state after a run.
func (s *soaker) check(r soakRun, state soakState) []string {
	s.t.Helper()
	pid := fmt.Sprint(state.status.MainPID)
	got := state.facts
	want := soakFacts{daemon: "active", unit: "active", restarts: "0", mainPID: pid, pidFile: pid, masters: pid,
		disk: got.disk, running: got.disk, phase: string(supervisor.Idle), workers: s.workers}
	restartedBad := r.event.restarts && s.bad(got.running)
	if restartedBad {
		want.workers = got.workers
	}
	if strings.HasPrefix(got.pending, got.disk) && got.disk != got.running || state.status.Pending && state.status.Disk.SHA256 == "" {
		want.running, want.pending = got.running, got.pending
	}
	var faults []string
	if got != want {
		faults = append(faults, fmt.Sprintf("it is not as it should be:\n got %+v\nwant %+v", got, want))
	}
	if s.bad(got.running) && !restartedBad {
		faults = append(faults, "a bad build runs")
	}
	last := s.landed[len(s.landed)-1]
	if r.event.harmless && last.kind == badnginx.Good && got.running != last.sha256 {
		faults = append(faults, fmt.Sprintf("the good build %s does not run: %s", last.sha256, got.pending))
	}
	if !restartedBad {
		faults = append(faults, s.checkAnswers(state.status.Running.Version)...)
	}
	return append(faults, s.checkVault(got.running)...)
}

// checkAnswers asks each listener a few times.
func (s *soaker) checkAnswers(version string) []string {
	s.t.Helper()
	out := s.sh(`for i in 1 2 3; do for u in http://127.0.0.1:8080/ "http://[::1]:8080/" "--unix-socket /run/site.sock http://localhost/"; do
		curl -s -m 5 -o /dev/null -D - $u | tr -d '\r' | awk '/^HTTP/ {code=$2} /^Server:/ {print code, $2}'; done; done`)
	want := strings.TrimSpace(strings.Repeat("200 nginx/"+version+"\n", 9))
	if out != want {
		return []string{fmt.Sprintf("it answers %q, not always %q", out, "200 nginx/"+version)}
	}
	return nil
}

// checkVault compares the kept builds with what is written beside them.
func (s *soaker) checkVault(running string) []string {
	s.t.Helper()
	out := s.sh(`cd /var/lib/nginx-hotswap/vault/nginx; for d in *; do
		echo $d $(sha256sum <$d/nginx | cut -d' ' -f1) $(sed -n 's/^  "sha256": "\(.*\)",$/\1/p' $d/build.json); done`)
	var faults, kept []string
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[1] != fields[2] || !strings.HasSuffix(fields[0], "-"+fields[1][:8]) {
			faults = append(faults, "in the vault: "+line)
			continue
		}
		kept = append(kept, fields[1])
	}
	if !slices.Contains(kept, running) {
		faults = append(faults, fmt.Sprintf("the running build %s is not in the vault: %s", running, out))
	}
	return faults
}
