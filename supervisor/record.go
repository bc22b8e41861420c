package supervisor

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/internal/probe"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// recordVersion is the version of the record's format. A record of another
// version is never acted upon.
const recordVersion = 1

// Record describes one cycle. While the cycle runs it is the intent that
// survives our own death; afterwards it is the report.
type Record struct {
	Version   int        `json:"version"`
	ID        string     `json:"id"` // sorts by time
	Boot      string     `json:"boot"`
	Instance  string     `json:"instance"`
	Unit      string     `json:"unit,omitempty"`
	Origin    Origin     `json:"origin"`
	Phase     Phase      `json:"phase"`
	Result    Result     `json:"result,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	Condemned bool       `json:"condemned,omitempty"` // the build did it
	Confirmed bool       `json:"confirmed,omitempty"`
	Drift     string     `json:"drift,omitempty"`    // a file changed since old loaded it
	Replaced  []string   `json:"replaced,omitempty"` // modules and libraries that old has mapped
	Reloaded  bool       `json:"reloaded,omitempty"` // the successor has loaded its configuration anew
	Started   time.Time  `json:"started"`
	Finished  *time.Time `json:"finished,omitempty"`
	Asked     *time.Time `json:"asked,omitempty"` // since when somebody is to confirm
	// Expected is what the old master answered, for the differential probe.
	Expected  *probe.Differential `json:"expected,omitempty"`
	Old       Generation          `json:"old"`
	Successor Generation          `json:"successor"`
	// Strangers were children of old before USR2 and no workers: programs that
	// its modules have executed.
	Strangers []nginx.ID   `json:"strangers,omitempty"`
	Steps     []StepRecord `json:"steps"`
}

// Generation is one of the two masters of a cycle.
type Generation struct {
	PID     int    `json:"pid"`
	Start   uint64 `json:"start,omitempty"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
	// Libraries is the digest of modules and libraries, see Build.
	Libraries string `json:"libraries,omitempty"`
	// Workers are the identities seen last. They outlive a killed master.
	Workers []nginx.ID `json:"workers,omitempty"`
	// Listeners are the sockets that the master held before USR2.
	Listeners []nginx.Listener `json:"listeners,omitempty"`
}

// ID is the master's identity.
func (g Generation) ID() nginx.ID { return nginx.ID{PID: g.PID, Start: g.Start} }

// build is the generation's build, as far as the record says.
func (g Generation) build() Build {
	return Build{SHA256: g.SHA256, Libraries: g.Libraries, Version: nginx.Version{Number: g.Version}}
}

// Key identifies the generation's build, see Build.Key.
func (g Generation) Key() string { return buildKey(g.SHA256, g.Libraries) }

// StepRecord is one phase of a cycle as it went.
type StepRecord struct {
	Phase      Phase     `json:"phase"`
	Started    time.Time `json:"started"`
	DurationMS int64     `json:"duration_ms"`
}

// newID returns an identifier that sorts by time: the time to the millisecond
// and 25 random bits.
func newID(now time.Time) string {
	var random [5]byte
	rand.Read(random[:])
	suffix := strings.ToLower(base32.StdEncoding.EncodeToString(random[:]))[:5]
	return now.UTC().Format("20060102T150405.000") + "-" + suffix
}

// validID reports whether an identifier can be one of ours, and so is safe as
// the name of a file.
func validID(id string) bool {
	if len(id) != len("20060102T150405.000-abcde") {
		return false
	}
	return !strings.ContainsFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && r != 'T' && r != '.' && r != '-'
	})
}

// enter notes that a phase begins and the one before it ends.
func (r *Record) enter(phase Phase, now time.Time) {
	r.leave(now)
	r.Phase = phase
	r.Steps = append(r.Steps, StepRecord{Phase: phase, Started: now})
}

// entered reports whether the cycle came as far as a phase.
func (r *Record) entered(phase Phase) bool {
	return slices.ContainsFunc(r.Steps, func(s StepRecord) bool { return s.Phase == phase })
}

// since is when a phase was entered first, or the cycle if it was not.
func (r *Record) since(phase Phase) time.Time {
	for _, s := range r.Steps {
		if s.Phase == phase {
			return s.Started
		}
	}
	return r.Started
}

func (r *Record) leave(now time.Time) {
	if n := len(r.Steps); n > 0 && r.Finished == nil {
		last := &r.Steps[n-1]
		last.DurationMS = now.Sub(last.Started).Milliseconds()
	}
}

// finish closes the record.
func (r *Record) finish(result Result, reason string, now time.Time) {
	r.leave(now)
	r.Result, r.Reason = result, reason
	r.Finished = &now
}

// ParseRecord reads a record.
func ParseRecord(data []byte) (*Record, error) {
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("cannot read the record: %w", err)
	}
	if r.Version != recordVersion {
		return nil, fmt.Errorf("the record has version %d, this program knows version %d", r.Version, recordVersion)
	}
	if !validID(r.ID) {
		return nil, fmt.Errorf("the record has no valid id: %.40q", r.ID)
	}
	return &r, nil
}

// bootID tells one boot from the next: pids and start times mean nothing
// across it. Where a container has an id of its own, mounted over the kernel's, the
// /proc of the daemon's sandbox does not show it: all ask for what PID 1 sees.
func bootID() string {
	const path = "/proc/sys/kernel/random/boot_id"
	for _, root := range []string{"/proc/1/root", ""} {
		if data, err := os.ReadFile(root + path); err == nil {
			return strings.TrimSpace(string(data))
		}
	}
	return ""
}
