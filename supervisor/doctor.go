package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// Level says how much a finding matters.
type Level string

// The levels. A note works as it is: its remedy, where there is one, is optional.
const (
	LevelOK      Level = "ok"
	LevelNote    Level = "note"
	LevelWarning Level = "warning"
	LevelFailure Level = "failure"
)

// Finding is the answer of one check of `doctor`.
type Finding struct {
	Check    string `json:"check"`
	Instance string `json:"instance"` // "" for what concerns the whole host
	Level    Level  `json:"level"`
	Text     string `json:"text"`
	Remedy   string `json:"remedy"` // a command or a drop-in to paste; "" where nothing is to be done
}

// examination is one look at an instance. Nothing is signalled, written or
// remembered by it; of nginx it runs -V, once for each binary.
type examination struct {
	s      *Supervisor
	m      *master
	state  systemd.State // of the unit; zero without one
	daemon int           // the pid of the daemon, or 0
	disk   *candidate    // what differs from what runs, or nil
	why    string        // the reason that it is not tried, or ""

	listeners  []nginx.Listener
	directives map[string][]nginx.Directive // by name
}

// instanceChecks are in the order in which they are told. One that is decisive
// ends the examination when it finds something: the others would be misled.
var instanceChecks = []struct {
	name     string
	decisive bool
	look     func(*examination, context.Context) Finding
}{
	{"upgrade", true, (*examination).upgrade},
	{"disk", false, (*examination).diskAndMemory},
	{"state", false, (*examination).remembered},
	{"drift", false, (*examination).drifted},
	{"unit-type", false, (*examination).unitType},
	{"daemon-off", false, (*examination).daemonOff},
	{"notify-access", false, (*examination).notifyAccess},
	{"pid-file", false, (*examination).pidFile},
	{"argv", false, (*examination).argv},
	{"parent", false, (*examination).parent},
	{"owner", false, (*examination).owner},
	{"modules", false, (*examination).modules},
	{"unix-sockets", false, (*examination).unixSockets},
	{"reuseport", false, (*examination).reuseport},
	{"quic", false, (*examination).quic},
	{"keep-alive", false, (*examination).keepAlive},
	{"shutdown-timeout", false, (*examination).shutdownTimeout},
	{"memory", false, (*examination).memory},
	{"sandbox", false, (*examination).sandbox},
	{"watch", false, (*examination).watch},
}

// checkMaster is the check that there is a master at all.
const checkMaster = "master"

// InstanceChecks are the names of the checks that Examine makes.
func InstanceChecks() []string {
	names := []string{checkMaster}
	for _, c := range instanceChecks {
		names = append(names, c.name)
	}
	return names
}

// Examine looks for what would keep an upgrade of the instance from going well.
// daemon is the pid of the daemon, or 0. It must not be called while Run runs.
func (s *Supervisor) Examine(ctx context.Context, daemon int) []Finding {
	defer s.detach()
	e := &examination{s: s, daemon: daemon}
	if found := e.begin(ctx); found.Level != LevelOK {
		return []Finding{e.name(checkMaster, found)}
	}
	defer e.disk.Close()
	found := []Finding{e.name(checkMaster, okay("master %d runs nginx %s, binary %s", e.m.PID, e.m.build.Short(), e.m.binary))}
	for _, c := range instanceChecks {
		f := e.name(c.name, c.look(e, ctx))
		found = append(found, f)
		if c.decisive && f.Level != LevelOK {
			break
		}
	}
	return found
}

func (e *examination) name(check string, f Finding) Finding {
	f.Check, f.Instance = check, e.s.instance.Name
	return f
}

// begin finds the master and reads what several checks need.
func (e *examination) begin(ctx context.Context) Finding {
	s := e.s
	m, err := s.attach(ctx)
	if err != nil {
		return e.noMaster(err)
	}
	s.current, e.m = m, m
	if err := s.recall(); err != nil {
		return ofError(LevelFailure, err)
	}
	s.adopted(m)
	if m.unit != nil {
		if e.state, err = m.unit.State(ctx); err != nil {
			return ofError(LevelFailure, err)
		}
	}
	if e.listeners, err = m.Listeners(); err != nil {
		return ofError(LevelFailure, err)
	}
	e.directives = make(map[string][]nginx.Directive)
	for _, d := range m.files.Lookup(m.root, "listen", "load_module", "keepalive_min_timeout", "worker_shutdown_timeout") {
		e.directives[d.Words[0]] = append(e.directives[d.Words[0]], d)
	}
	return okay("")
}

// noMaster tells apart what a start of nginx repairs and what it does not.
func (e *examination) noMaster(err error) Finding {
	unit := e.s.instance.Unit
	switch {
	case errors.Is(err, ErrNotRunning) && unit != "":
		return Finding{Level: LevelWarning, Text: err.Error(), Remedy: "systemctl start " + shellWord(unit)}
	case errors.Is(err, ErrNotRunning):
		return Finding{Level: LevelWarning, Text: err.Error(), Remedy: fmt.Sprintf("start nginx so that its pid file is %s, or correct PIDFile=", e.s.instance.PIDFile)}
	}
	return ofError(LevelFailure, err)
}

// asRoot is the remedy for what only root may see.
const asRoot = "sudo nginx-hotswap doctor"

func okay(format string, args ...any) Finding {
	return Finding{Level: LevelOK, Text: fmt.Sprintf(format, args...)}
}

func note(format string, args ...any) Finding {
	return Finding{Level: LevelNote, Text: fmt.Sprintf(format, args...)}
}

// ofError takes the remedy of a refusal along.
func ofError(level Level, err error) Finding {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return Finding{Level: level, Text: r.Text, Remedy: r.Remedy}
	}
	if errors.Is(err, fs.ErrPermission) {
		return Finding{Level: level, Text: err.Error(), Remedy: asRoot}
	}
	return Finding{Level: level, Text: err.Error()}
}

// orOK is for checks that the pre-flight makes, too.
func orOK(err error, format string, args ...any) Finding {
	if err != nil {
		return ofError(LevelFailure, err)
	}
	return okay(format, args...)
}
