package systemd

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"
)

// transient is one transient unit: how to start it, and how to see its end.
type transient struct {
	m         *Manager
	command   Command
	cloneOf   string     // unit whose sandbox it has, "" for none
	sandbox   []property // properties that a systemd may refuse
	flags     []string   // flags of the command, as of the cloned ExecStart=
	inherited []string   // names that PID 1 would put into the environment

	name    string
	signals chan *dbus.Signal
}

// serviceVariables are those that PID 1 sets for a service of itself
// (systemd.exec(5), environment variables in spawned processes). A master that
// is started by USR2 gets the old master's environment alone.
var serviceVariables = []string{
	"PATH", "LANG", "USER", "LOGNAME", "HOME", "SHELL", "INVOCATION_ID", "JOURNAL_STREAM", "LOG_NAMESPACE",
	"SYSTEMD_EXEC_PID", "MAINPID", "MANAGERPID", "MANAGERPIDFDID", "MAINPIDFDID", "PIDFILE", "NOTIFY_SOCKET",
	"WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDNAMES", "FDSTORE",
	"RUNTIME_DIRECTORY", "STATE_DIRECTORY", "CACHE_DIRECTORY", "LOGS_DIRECTORY", "CONFIGURATION_DIRECTORY",
	"CREDENTIALS_DIRECTORY", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE", "DEBUG_INVOCATION", "TMPDIR",
	"TERM", "COLORTERM", "NO_COLOR", "XDG_RUNTIME_DIR", "XDG_SESSION_ID", "XDG_SESSION_CLASS",
	"XDG_SESSION_TYPE", "SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS",
}

// environment gives the names in PID 1's own environment block, which every
// service gets (DefaultEnvironment=, systemctl set-environment, locale.conf).
func (m *Manager) environment(ctx context.Context) ([]string, error) {
	v, err := m.get(ctx, busRoot, ifManager, "Environment")
	if err != nil {
		return nil, fmt.Errorf("cannot read the environment of systemd: %w", err)
	}
	block, _ := v.Value().([]string)
	return variableNames(block), nil
}

func variableNames(env []string) []string {
	names := make([]string, len(env))
	for i, e := range env {
		names[i], _, _ = strings.Cut(e, "=")
	}
	return names
}

// execCommand is an entry of ExecStartEx, (sasas).
type execCommand struct {
	Path  string
	Argv  []string
	Flags []string
}

// own gives the properties of the transient unit beside the sandbox. They come
// after it and so win.
func (t *transient) own(ctx context.Context, stdout *os.File) []property {
	c := t.command
	fd := dbus.UnixFD(stdout.Fd())
	props := []property{
		{"Description", dbus.MakeVariant(t.description())},
		{"Type", dbus.MakeVariant("oneshot")},
		{"CollectMode", dbus.MakeVariant("inactive-or-failed")},
		{"DefaultDependencies", dbus.MakeVariant(false)},
		// PID 1's own lines about the unit are noise: we report the result.
		{"LogLevelMax", dbus.MakeVariant(int32(3))},
		{"TimeoutStartUSec", dbus.MakeVariant(t.limit(ctx))},
		{"TimeoutStopUSec", dbus.MakeVariant(uint64(2_000_000))},
		{"StandardOutputFileDescriptor", dbus.MakeVariant(fd)},
		{"StandardErrorFileDescriptor", dbus.MakeVariant(fd)},
		{"ExecStartEx", dbus.MakeVariant([]execCommand{{c.Argv[0], c.Argv, t.execFlags()}})},
	}
	if c.Dir != "" {
		props = append(props, property{"WorkingDirectory", dbus.MakeVariant(c.Dir)})
	}
	if len(c.Env) > 0 {
		props = append(props, property{"Environment", dbus.MakeVariant(c.Env)})
	}
	return append(props, property{"UnsetEnvironment", dbus.MakeVariant(t.unset())})
}

// execFlags adds the : prefix of ExecStart=, for a $ in an argument is meant.
func (t *transient) execFlags() []string {
	return append([]string{"no-env-expand"}, t.flags...)
}

func (t *transient) description() string {
	s := "Test of " + filepath.Base(t.command.Argv[0]) + " by nginx-hotswap"
	if t.cloneOf != "" {
		s += " in the sandbox of " + t.cloneOf
	}
	return s
}

// limit is TimeoutStartUSec: the command's own, else that of the context with
// some room, so that a unit whose starter died ends too.
func (t *transient) limit(ctx context.Context) uint64 {
	if t.command.Timeout > 0 {
		return uint64(max(t.command.Timeout.Microseconds(), 1))
	}
	if end, ok := ctx.Deadline(); ok {
		return uint64((max(time.Until(end), 0) + 5*time.Second).Microseconds())
	}
	return math.MaxUint64
}

// unset lists the variables that the command must not have.
func (t *transient) unset() []string {
	given := variableNames(t.command.Env)
	names := slices.Concat(serviceVariables, t.inherited)
	slices.Sort(names)
	names = slices.Compact(names)
	return slices.DeleteFunc(names, func(n string) bool { return slices.Contains(given, n) })
}

// start starts the unit. A property of the sandbox that this systemd refuses is
// dropped, with a warning: a test in almost the right place is worth more than
// none.
func (t *transient) start(ctx context.Context, stdout *os.File) error {
	// Before the start, so that no signal of the new unit is missed.
	t.signals = make(chan *dbus.Signal, 64)
	t.m.conn.Signal(t.signals)
	suspect := -1 // index of a property that we leave out to see what happens
	before := ""
	for {
		props := slices.Clone(t.sandbox)
		if suspect >= 0 {
			props = slices.Delete(props, suspect, suspect+1)
		}
		err := t.tryStart(ctx, append(props, t.own(ctx, stdout)...))
		if err == nil {
			t.drop(suspect, before)
			return nil
		}
		if ctx.Err() != nil || !t.m.conn.Connected() {
			return t.failure(ctx, err)
		}
		// The name is new each time and must not make two errors differ.
		text := strings.ReplaceAll(err.Error(), t.name, "unit")
		switch i := namedIn(text, t.sandbox); {
		case i >= 0 && suspect < 0:
			t.drop(i, text)
		case suspect < 0:
			suspect, before = 0, text
		case text != before:
			// The error moved on: that one was at fault.
			t.drop(suspect, before)
			suspect = -1
		default:
			suspect++
		}
		if suspect >= len(t.sandbox) {
			return err
		}
	}
}

// drop removes a property of the sandbox that systemd refused; none if i is
// negative.
func (t *transient) drop(i int, reason string) {
	if i < 0 {
		return
	}
	slog.Warn("systemd refuses a property of the sandbox, the test runs without it",
		"unit", t.cloneOf, "property", t.sandbox[i].Name, "error", reason)
	t.sandbox = slices.Delete(t.sandbox, i, i+1)
}

var identifier = regexp.MustCompile(`[A-Za-z]+`)

// namedIn finds the property that an error message speaks of, else -1.
func namedIn(message string, props []property) int {
	words := identifier.FindAllString(message, -1)
	return slices.IndexFunc(props, func(p property) bool { return slices.Contains(words, p.Name) })
}

// auxiliary is the last argument of StartTransientUnit, a(sa(sv)), always empty.
type auxiliary struct {
	Name       string
	Properties []property
}

// tryStart makes one attempt, under a name of its own: a unit that was refused
// may linger for a moment.
func (t *transient) tryStart(ctx context.Context, props []property) error {
	var id [8]byte
	_, _ = rand.Read(id[:])
	t.name = "nginx-hotswap-test-" + hex.EncodeToString(id[:]) + ".service"
	if err := t.subscribe(ctx); err != nil {
		return err
	}
	return t.m.call(ctx, "StartTransientUnit", t.name, "fail", props, []auxiliary{}).Err
}

// subscribe asks a bus for the signals of the unit. PID 1's private socket
// sends them all unasked.
func (t *transient) subscribe(ctx context.Context) error {
	if len(t.m.conn.Names()) == 0 {
		return nil
	}
	if err := t.m.call(ctx, "Subscribe").Err; err != nil {
		return err
	}
	err := t.m.conn.AddMatchSignalContext(ctx, dbus.WithMatchSender(busName), dbus.WithMatchObjectPath(unitPath(t.name)))
	if err != nil {
		return err
	}
	return t.m.conn.AddMatchSignalContext(ctx, dbus.WithMatchSender(busName), dbus.WithMatchObjectPath(busRoot),
		dbus.WithMatchInterface(ifManager), dbus.WithMatchMember("UnitRemoved"), dbus.WithMatchArg(0, t.name))
}

// wait follows the unit to its end. CollectMode removes it at once, hence no
// question could be asked afterwards; but PID 1 sends the last change of its
// properties before UnitRemoved.
func (t *transient) wait(ctx context.Context) (Result, error) {
	last := properties{}
	for {
		select {
		case s, ok := <-t.signals:
			if !ok {
				return Result{}, errLost
			}
			if t.merge(last, s) {
				return resultOf(last)
			}
		case <-ctx.Done():
			t.stop(ctx)
			return Result{}, context.Cause(ctx)
		}
	}
}

// merge takes over the properties that a signal brings; true when it says that
// the unit is gone.
func (t *transient) merge(last properties, s *dbus.Signal) bool {
	switch s.Name {
	case ifProps + ".PropertiesChanged":
		if s.Path == unitPath(t.name) && len(s.Body) > 1 {
			changed, _ := s.Body[1].(map[string]dbus.Variant)
			for name, v := range changed {
				last[name] = v
			}
		}
	case ifManager + ".UnitRemoved":
		return len(s.Body) > 0 && s.Body[0] == t.name
	}
	return false
}

// stop stops the unit, although the context has ended.
func (t *transient) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := t.m.call(ctx, "StopUnit", t.name, "replace").Err
	if err != nil && errorName(err) != errMissing {
		slog.Warn("cannot stop a transient unit", "unit", t.name, "error", err)
	}
}

func (t *transient) failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %w", errLost, err)
}

// resultOf reads the last properties of a service that has ended.
func resultOf(p properties) (Result, error) {
	code, _ := p["ExecMainCode"].Value().(int32)
	status, _ := p["ExecMainStatus"].Value().(int32)
	outcome := p.text("Result")
	r := Result{Timeout: outcome == "timeout"}
	switch code {
	case cldExited:
		r.Exit = int(status)
	case cldKilled, cldDumped:
		r.Exit, r.Signal = -1, int(status)
	default:
		if !r.Timeout {
			return Result{}, fmt.Errorf("systemd did not start the command (result %q)", outcome)
		}
		r.Exit, r.Signal = -1, int(syscall.SIGKILL)
	}
	return r, nil
}

// The si_code values of SIGCHLD, see waitid(2).
const (
	cldExited = 1
	cldKilled = 2
	cldDumped = 3
)
