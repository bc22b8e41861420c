package systemd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// Unit is a service unit by its name. It holds no connection: what changes
// something dials PID 1 anew, and questions go over a connection that is made anew
// when it breaks, so that a daemon-reexec or a restart of the D-Bus daemon between
// two calls costs nothing.
type Unit struct {
	name string
}

// NewUnit names a unit, with its suffix (nginx.service). It does not look
// whether the unit exists: State tells.
func NewUnit(name string) *Unit {
	return &Unit{name: name}
}

// Name is the name that was given to NewUnit.
func (u *Unit) Name() string {
	return u.name
}

// State is PID 1's view of a service unit at one instant. What a version of
// systemd does not know, or what the unit does not have, is zero.
type State struct {
	Name         string    // the unit's own name, also when it was asked for by an alias
	LoadState    string    // "loaded", "not-found", "masked", "error", "bad-setting"
	ActiveState  string    // "active", "reloading", "inactive", "failed", "activating", "deactivating"
	Type         string    // "forking", "simple", "notify", ...
	PIDFile      string    // absolute, "" without PIDFile=
	NotifyAccess string    // "none", "main", "exec", "all"
	MainPID      int       // 0 when there is none
	Changed      time.Time // when ActiveState or SubState, which is finer, changed last
	JobID        uint32
	JobType      string   // "start", "stop", "reload", "restart", ...; "" without a job
	ExecStart    []string // argv of the first command
	// ReloadsMainPID is true when a command of ExecReload= names $MAINPID.
	ReloadsMainPID bool
	MemoryMax      uint64 // bytes; all bits set means no limit
	Result         string // how the last run ended, "success" also while it lasts; else "signal", "exit-code", ...
	NRestarts      uint32 // by Restart= since somebody has started it
}

// InOrder reports whether what the unit ran before has neither failed nor crashed:
// somebody has stopped or restarted it, or its main process.
func (s State) InOrder() bool {
	runs := s.ActiveState == "active" || s.ActiveState == "activating"
	return s.Result == "success" && (!runs || s.NRestarts == 0)
}

// State asks PID 1 for the state of the unit. A unit that does not exist is no
// error: its LoadState is "not-found".
func (u *Unit) State(ctx context.Context) (State, error) {
	var s State
	if err := shared.ask(ctx, func(m *Manager) (err error) {
		s, err = m.state(ctx, u.name)
		return err
	}); err != nil {
		return State{}, fmt.Errorf("cannot read the state of %s: %w", u.name, err)
	}
	return s, nil
}

// state reads all properties at once. Asking an object path loads the unit
// behind it, as systemctl show does.
func (m *Manager) state(ctx context.Context, name string) (State, error) {
	p, err := m.getAll(ctx, unitPath(name))
	if err != nil {
		return State{}, err
	}
	s := stateOf(p)
	if s.JobID != 0 {
		s.JobType = m.jobType(ctx, p)
		// A job that ended between the two calls is none.
		if s.JobType == "" {
			s.JobID = 0
		}
	}
	return s, nil
}

func stateOf(p properties) State {
	return State{
		Name:           p.text("Id"),
		LoadState:      p.text("LoadState"),
		ActiveState:    p.text("ActiveState"),
		Type:           p.text("Type"),
		PIDFile:        p.text("PIDFile"),
		NotifyAccess:   p.text("NotifyAccess"),
		MainPID:        int(p.uint32("MainPID")),
		Changed:        p.time("StateChangeTimestamp"),
		JobID:          jobID(p),
		ExecStart:      p.argv("ExecStart"),
		ReloadsMainPID: p.mentions("ExecReload", "MAINPID"),
		MemoryMax:      p.uint64("MemoryMax"),
		Result:         p.text("Result"),
		NRestarts:      p.uint32("NRestarts"),
	}
}

// jobID and jobType read the unit's Job property, (uo).
func jobID(p properties) uint32 {
	job, _ := p["Job"].Value().([]any)
	if len(job) != 2 {
		return 0
	}
	id, _ := job[0].(uint32)
	return id
}

func (m *Manager) jobType(ctx context.Context, p properties) string {
	job, _ := p["Job"].Value().([]any)
	path, _ := job[1].(dbus.ObjectPath)
	v, err := m.get(ctx, path, ifJob, "JobType")
	if err != nil {
		return ""
	}
	s, _ := v.Value().(string)
	return s
}

// unitPath is the object path of a unit.
func unitPath(name string) dbus.ObjectPath {
	return busRoot + "/unit/" + dbus.ObjectPath(EscapeLabel(name))
}

// unitName undoes unitPath.
func unitName(path dbus.ObjectPath) (string, bool) {
	label, ok := strings.CutPrefix(string(path), string(busRoot)+"/unit/")
	if !ok {
		return "", false
	}
	return UnescapeLabel(label)
}
