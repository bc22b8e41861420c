package systemd

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
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

	name      string
	signals   chan *dbus.Signal
	reloading bool // PID 1 reads its units again, see merge
}

// execCommand is an entry of ExecStartEx, (sasas).
type execCommand struct {
	Path  string
	Argv  []string
	Flags []string
}

// own gives the properties of the transient unit beside the sandbox. They come
// after it and so win. DefaultDependencies stays on: without it systemd 262
// (not 257) gives PrivateTmp=yes a /tmp of its own, not that of the unit.
func (t *transient) own(ctx context.Context, stdout *os.File) []property {
	c := t.command
	fd := dbus.UnixFD(stdout.Fd())
	props := []property{
		{"Description", dbus.MakeVariant(t.description())},
		{"Type", dbus.MakeVariant("oneshot")},
		{"CollectMode", dbus.MakeVariant("inactive-or-failed")},
		// The workers that serve come first.
		{"Nice", dbus.MakeVariant(int32(10))},
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
		return uint64(max(time.Until(end), 0).Microseconds()) + uint64((5 * time.Second).Microseconds())
	}
	return math.MaxUint64
}

// start starts the unit. A property of the sandbox that this systemd refuses is
// dropped, with a warning: a test in almost the right place is worth more than
// none.
func (t *transient) start(ctx context.Context, stdout *os.File) error {
	// Before the start, so that no signal of the new unit is missed.
	t.signals = make(chan *dbus.Signal, 64)
	t.m.conn.Signal(t.signals)
	own := t.own(ctx, stdout)
	for {
		err := t.try(ctx, slices.Concat(t.sandbox, own))
		if err == nil {
			return nil
		}
		i := -1
		if _, answered := errors.AsType[dbus.Error](err); answered {
			i = t.refused(ctx)
		}
		if !t.m.conn.Connected() && ctx.Err() == nil {
			return fmt.Errorf("%w: %w", errLost, err)
		}
		if i < 0 {
			return err
		}
		slog.Warn("systemd refuses a property of the sandbox, the test runs without it",
			"unit", t.cloneOf, "property", t.sandbox[i].Name, "error", err)
		t.sandbox = slices.Delete(t.sandbox, i, i+1)
	}
}

// noProperty is one that no systemd has.
const noProperty = "NginxHotswapNoProperty"

// refused finds the first property of the sandbox that systemd refuses, -1 when
// it takes them all. Its errors seldom name the property; but it reads them in
// order and stops at the first error, so a list that ends with a property that
// does not exist tells whether all before it are good, and starts nothing.
func (t *transient) refused(ctx context.Context) int {
	probe := property{noProperty, dbus.MakeVariant(true)}
	n := sort.Search(len(t.sandbox), func(i int) bool {
		err := t.try(ctx, append(slices.Clone(t.sandbox[:i+1]), probe))
		return err != nil && !strings.Contains(err.Error(), noProperty)
	})
	if n == len(t.sandbox) || ctx.Err() != nil || !t.m.conn.Connected() {
		return -1
	}
	return n
}

// auxiliary is the last argument of StartTransientUnit, a(sa(sv)), always empty.
type auxiliary struct {
	Name       string
	Properties []property
}

// try makes one attempt, under a name of its own: a unit that was refused
// may linger for a moment.
func (t *transient) try(ctx context.Context, props []property) error {
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
	if !t.m.bus {
		return nil
	}
	if err := t.m.call(ctx, "Subscribe").Err; err != nil {
		return err
	}
	for _, options := range [][]dbus.MatchOption{
		{dbus.WithMatchObjectPath(unitPath(t.name))},
		{dbus.WithMatchObjectPath(busRoot), dbus.WithMatchMember("UnitRemoved"), dbus.WithMatchArg(0, t.name)},
		{dbus.WithMatchObjectPath(busRoot), dbus.WithMatchMember("Reloading")},
		{dbus.WithMatchSender("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, busName)},
	} {
		if err := t.m.conn.AddMatchSignalContext(ctx, options...); err != nil {
			return err
		}
	}
	return nil
}
