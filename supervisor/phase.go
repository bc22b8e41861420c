package supervisor

import (
	"slices"
	"strings"
)

// Phase is a row of the procedure. Phases are stored by name, so that a record
// is understood by every version of this program.
type Phase string

// The phases of an upgrade, in the order of
// https://nginx.org/en/docs/control.html#upgrade.
const (
	Verifying Phase = "verifying" // is the candidate fit to be tried?
	Keeping   Phase = "keeping"   // the running build goes into the vault
	Starting  Phase = "starting"  // USR2: both generations accept
	Shifting  Phase = "shifting"  // WINCH: only the successor accepts
	Soaking   Phase = "soaking"   // does it go on serving?
	Draining  Phase = "draining"  // the old workers finish, the old master waits
	Retiring  Phase = "retiring"  // QUIT: the old master goes
)

// The phases of a rollback.
const (
	Reviving   Phase = "reviving"   // HUP: the old master starts workers again
	Returning  Phase = "returning"  // systemd follows the old master again
	Dismissing Phase = "dismissing" // QUIT: the successor goes
	Restoring  Phase = "restoring"  // the kept binary takes the failed one's place
)

// IsWayBack reports whether a phase belongs to a rollback.
func (p Phase) IsWayBack() bool {
	return slices.Contains([]Phase{Reviving, Returning, Dismissing, Restoring}, p)
}

// isEarly reports whether a phase is one in which old may not have been touched.
func (p Phase) isEarly() bool { return slices.Contains([]Phase{Verifying, Keeping, Starting}, p) }

// Idle is the phase of an instance that no cycle runs for.
const Idle Phase = "idle"

// Result is how a cycle ended.
type Result string

// The results.
const (
	Upgraded   Result = "upgraded"    // the candidate serves, the old master is gone
	Adopted    Result = "adopted"     // the same, begun by somebody else
	Rejected   Result = "rejected"    // the candidate was refused, nothing was touched
	RolledBack Result = "rolled-back" // the old version serves
	Deferred   Result = "deferred"    // not now
	Stuck      Result = "stuck"       // a person is needed
	Overtaken  Result = "overtaken"   // somebody stopped or restarted nginx meanwhile
	Lost       Result = "lost"        // the old master was killed or told to go: there was no way back
)

// isUpgrade reports whether the successor serves in the end.
func (r Result) isUpgrade() bool { return r == Upgraded || r == Adopted }

// Origin says who asked for a cycle.
type Origin string

// The origins.
const (
	OriginWatch Origin = "watch"
	OriginCLI   Origin = "cli"
	OriginBus   Origin = "bus"
	// The hooks of package managers.
	OriginDpkg        Origin = "dpkg"
	OriginRPM         Origin = "rpm"
	OriginInitscript  Origin = "initscript"
	OriginNeedrestart Origin = "needrestart"
	// OriginForeign is an upgrade that somebody else has begun.
	OriginForeign Origin = "foreign"
)

// origins are those that a request may name.
var origins = append([]Origin{OriginCLI, OriginBus}, packageOrigins...)

func originNames() string {
	names := make([]string, len(origins))
	for i, o := range origins {
		names[i] = string(o)
	}
	return strings.Join(names, ", ")
}

var packageOrigins = []Origin{OriginDpkg, OriginRPM, OriginInitscript, OriginNeedrestart}

// IsPackage reports whether a hook of a package manager asks. It runs inside
// the transaction, so it must not wait for its end.
func (o Origin) IsPackage() bool { return slices.Contains(packageOrigins, o) }
