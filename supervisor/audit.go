package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// Event is a kind of entry in the audit trail. Its ID is the journal's
// MESSAGE_ID; ids never change their meaning.
type Event struct {
	Name  string
	ID    string
	Level slog.Level
	// Milestone entries also show under the unit of the instance:
	// `journalctl -u nginx`.
	Milestone bool
}

// The events.
var (
	EventAttached  = Event{"attached", "2da915b8ace04b00aa570ba26dbcf363", slog.LevelInfo, false}
	EventDetached  = Event{"detached", "02876e80f751441cab892c1a1fd26718", slog.LevelInfo, false}
	EventPending   = Event{"pending", "cda5f0cee2a945e3881cd2923d046992", systemd.LevelNotice, false}
	EventCandidate = Event{"candidate", "5828b36f73fb4a5b916f6e7a96da1896", systemd.LevelNotice, true}
	EventWaiting   = Event{"waiting", "446337812e7948afb17b85b21cc45746", slog.LevelInfo, false}
	EventAccepted  = Event{"accepted", "eedc24d87ced4c3f9c6b22ef591064a3", slog.LevelInfo, false}
	EventKept      = Event{"kept", "d0e3b2a8e75445afba876a260b5fad9f", slog.LevelInfo, false}
	EventStarted   = Event{"started", "750d9a09405b43ea9b9b81c2dbf73d8f", systemd.LevelNotice, true}
	EventShifted   = Event{"shifted", "51ea1bd194c84535a31a38c8c1781e58", systemd.LevelNotice, true}
	EventVerdict   = Event{"verdict", "1bfbc87bfe584b17ba065e6e39355b63", systemd.LevelNotice, true}
	EventDrained   = Event{"drained", "297f004ffd4a4b6492df310e42eed552", slog.LevelInfo, false}
	EventRetired   = Event{"retired", "f7529be8192e4e8b9550c56c0991e64b", systemd.LevelNotice, true}
	EventRejected  = Event{"rejected", "63bdebb15ebf469aa5369f5190e20a19", slog.LevelWarn, true}
	EventRollback  = Event{"rollback", "2eabc76c0e6b468b84281bd37af90c4f", slog.LevelWarn, true}
	EventFinished  = Event{"finished", "9778fad465e84886a2506ef3d8d0f9e9", systemd.LevelNotice, true}
	EventStuck     = Event{"stuck", "26a5cb3ed21c45fdbe019ac2cd880a93", slog.LevelError, true}
	EventRestored  = Event{"restored", "9eeebdcd94444249bcff1a9caf6b1065", systemd.LevelNotice, true}
	EventMismatch  = Event{"mismatch", "b3e2687e40954b2db994894693b8c3ad", slog.LevelWarn, true}
	EventHeld      = Event{"held", "3efe34a1e2c04bf78b6a1578a7b03da9", systemd.LevelNotice, false}
	EventForeign   = Event{"foreign", "4a6c92b5f7bd4b5ebf4cc85936bbf0c4", systemd.LevelNotice, true}
	EventReload    = Event{"reload", "4e3cef52b47b476ab38a499b539f0145", systemd.LevelNotice, true}
)

// Events lists them all, for the catalog.
var Events = []Event{
	EventAttached, EventDetached, EventPending, EventCandidate, EventWaiting, EventAccepted, EventKept, EventStarted,
	EventShifted, EventVerdict, EventDrained, EventRetired, EventRejected, EventRollback, EventFinished, EventStuck,
	EventRestored, EventMismatch, EventHeld, EventReload, EventForeign,
}

// Names of journal fields.
const (
	fieldMessageID  = "MESSAGE_ID"
	fieldObjectPID  = "OBJECT_PID"
	fieldObjectUnit = "OBJECT_SYSTEMD_UNIT"
	fieldCycle      = "NGINX_HOTSWAP_CYCLE"
	fieldInstance   = "NGINX_HOTSWAP_INSTANCE"
	fieldPhase      = "NGINX_HOTSWAP_PHASE"
	fieldResult     = "NGINX_HOTSWAP_RESULT"
	fieldReason     = "NGINX_HOTSWAP_REASON"
	fieldOrigin     = "NGINX_HOTSWAP_ORIGIN"
	fieldOldPID     = "NGINX_HOTSWAP_OLD_PID"
	fieldNewPID     = "NGINX_HOTSWAP_NEW_PID"
	fieldOldVersion = "NGINX_HOTSWAP_OLD_VERSION"
	fieldNewVersion = "NGINX_HOTSWAP_NEW_VERSION"
	fieldOldSHA256  = "NGINX_HOTSWAP_OLD_SHA256"
	fieldNewSHA256  = "NGINX_HOTSWAP_NEW_SHA256"
	fieldDuration   = "NGINX_HOTSWAP_DURATION_USEC"
)

// Audit writes events to a log.
type Audit struct {
	Log      *slog.Logger
	Instance string
	Unit     string // "" without a unit
}

// Event writes one entry about an instance. pid is a process of it, or 0.
func (a Audit) Event(e Event, pid int, attrs []slog.Attr, format string, args ...any) {
	all := []slog.Attr{slog.String(fieldMessageID, e.ID), slog.String(fieldInstance, a.Instance)}
	if e.Milestone && a.Unit != "" {
		// journald accepts both from uid 0; the pid adds what it knows of
		// the process, the unit counts when the process is gone.
		all = append(all, slog.String(fieldObjectUnit, a.Unit))
		if pid > 0 {
			all = append(all, slog.String(fieldObjectPID, strconv.Itoa(pid)))
		}
	}
	message := a.Instance + ": " + fmt.Sprintf(format, args...)
	a.Log.LogAttrs(context.Background(), e.Level, message, append(all, attrs...)...)
}

// Cycle writes one entry about a cycle; took is the time that it tells of.
func (a Audit) Cycle(e Event, r *Record, took time.Duration, format string, args ...any) {
	attrs := []slog.Attr{
		slog.String(fieldCycle, r.ID), slog.String(fieldPhase, string(r.Phase)), slog.String(fieldOrigin, string(r.Origin)),
		slog.Int64(fieldDuration, took.Microseconds()),
	}
	for _, f := range []struct{ name, value string }{
		{fieldResult, string(r.Result)}, {fieldReason, r.Reason},
		{fieldOldPID, pidText(r.Old.PID)}, {fieldNewPID, pidText(r.Successor.PID)},
		{fieldOldVersion, r.Old.Version}, {fieldNewVersion, r.Successor.Version},
		{fieldOldSHA256, r.Old.SHA256}, {fieldNewSHA256, r.Successor.SHA256},
	} {
		if f.value != "" {
			attrs = append(attrs, slog.String(f.name, f.value))
		}
	}
	a.Event(e, r.Old.PID, attrs, format, args...)
}

func pidText(pid int) string {
	if pid == 0 {
		return ""
	}
	return strconv.Itoa(pid)
}
