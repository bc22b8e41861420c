package bus

import (
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// Types of structured properties. Times are µs of the epoch, 0 for none.
type (
	// RunningProperty is (version, SHA-256, path, since).
	RunningProperty struct {
		Version, SHA256, Path string
		Since                 uint64
	}
	// DiskProperty is (version, SHA-256).
	DiskProperty struct{ Version, SHA256 string }
	// MasterProperty is (pid, role, version, workers).
	MasterProperty struct {
		PID           uint32
		Role, Version string
		Workers       []WorkerProperty
	}
	// WorkerProperty is (pid, draining, connections).
	WorkerProperty struct {
		PID         uint32
		Draining    bool
		Connections uint32
	}
	// LastProperty is (id, result, reason, finished); the id is empty before
	// the first cycle.
	LastProperty struct {
		ID, Result, Reason string
		Finished           uint64
	}
	// CycleProperty is the cycle that runs; the id is empty while none does.
	CycleProperty struct {
		ID, Origin                                     string
		Started                                        uint64
		From, To, Reason                               string
		Steps                                          []StepProperty
		Connections                                    uint32
		SoakUntil, KeepUntil, ConfirmUntil, DrainUntil uint64
		Probes                                         []ProbeProperty
	}
	// StepProperty is (phase, started, duration in ms).
	StepProperty struct {
		Phase    string
		Started  uint64
		Duration uint64
	}
	// ProbeProperty is (target, good, text, asked, took in µs, rounds).
	ProbeProperty struct {
		Target string
		Good   bool
		Text   string
		Asked  uint64
		Took   uint64
		Rounds uint32
	}
)

// variants are the properties of an instance.
func variants(s supervisor.Status) map[string]dbus.Variant {
	var last LastProperty
	if s.Last != nil {
		last = LastProperty{clean(s.Last.ID), clean(string(s.Last.Result)), clean(s.Last.Reason), microseconds(s.Last.Finished)}
	}
	running := RunningProperty{clean(s.Running.Version), clean(s.Running.SHA256), clean(s.Running.Path), microseconds(s.Running.Since)}
	return map[string]dbus.Variant{
		"Name":    dbus.MakeVariant(clean(s.Name)),
		"Unit":    dbus.MakeVariant(clean(s.Unit)),
		"MainPID": dbus.MakeVariant(uint32(s.MainPID)),
		"Phase":   dbus.MakeVariant(clean(string(s.Phase))),
		"Running": dbus.MakeVariant(running),
		"Disk":    dbus.MakeVariant(DiskProperty{clean(s.Disk.Version), clean(s.Disk.SHA256)}),
		"Pending": dbus.MakeVariant(s.Pending),
		"Held":    dbus.MakeVariant(s.Held),
		"Reason":  dbus.MakeVariant(clean(s.Reason)),
		"Alert":   dbus.MakeVariant(clean(s.Alert)),
		"Masters": dbus.MakeVariant(mastersProperty(s.Masters)),
		"Cycle":   dbus.MakeVariant(cycleProperty(s.Cycle)),
		"Last":    dbus.MakeVariant(last),
	}
}

func mastersProperty(masters []supervisor.MasterStatus) []MasterProperty {
	list := make([]MasterProperty, len(masters))
	for i, m := range masters {
		list[i] = MasterProperty{uint32(m.PID), clean(m.Role), clean(m.Version), make([]WorkerProperty, len(m.Workers))}
		for j, w := range m.Workers {
			list[i].Workers[j] = WorkerProperty{uint32(w.PID), w.Draining, uint32(w.Connections)}
		}
	}
	return list
}

func cycleProperty(c *supervisor.CycleStatus) CycleProperty {
	if c == nil {
		return CycleProperty{}
	}
	p := CycleProperty{
		ID: clean(c.ID), Origin: clean(string(c.Origin)), Started: microseconds(&c.Started),
		From: clean(c.From), To: clean(c.To), Reason: clean(c.Reason), Connections: uint32(c.Connections),
		SoakUntil: microseconds(c.SoakUntil), KeepUntil: microseconds(c.KeepUntil),
		ConfirmUntil: microseconds(c.ConfirmUntil), DrainUntil: microseconds(c.DrainUntil),
	}
	for _, s := range c.Steps {
		p.Steps = append(p.Steps, StepProperty{clean(string(s.Phase)), microseconds(&s.Started), uint64(s.DurationMS)})
	}
	for _, r := range c.Probes {
		p.Probes = append(p.Probes, ProbeProperty{clean(r.Target), r.Good, clean(r.Text), microseconds(&r.Asked), uint64(r.TookUS), uint32(r.Rounds)})
	}
	return p
}

func microseconds(t *time.Time) uint64 {
	if t == nil || t.IsZero() {
		return 0
	}
	return uint64(t.UnixMicro())
}

// clean makes text fit for a message. What nginx says, and a path, may hold any
// bytes; a bus hangs up on whoever sends a string that is not UTF-8.
func clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}
