package bus

import (
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// fullStatus has a value in every field.
func fullStatus() supervisor.Status {
	since, finished := time.UnixMicro(1772366400123456), time.UnixMicro(1772366500654321)
	return supervisor.Status{
		Name: "nginx@blog", Unit: "nginx@blog.service", MainPID: 4194303, Phase: supervisor.Draining,
		Running: supervisor.RunningStatus{BuildStatus: supervisor.BuildStatus{Version: "1.22.1", SHA256: "aa"}, Path: "/usr/sbin/nginx", Since: &since},
		Disk:    supervisor.BuildStatus{Version: "1.22.9", SHA256: "bb"},
		Pending: true, Held: true, Alert: "it needs a person", Reason: "\"quoted\", ünïcode\nand a second line",
		Masters: []supervisor.MasterStatus{
			{PID: 1, Role: "old", Version: "1.22.1", Workers: []supervisor.WorkerStatus{{PID: 2, Draining: true, Connections: 3}}},
			{PID: 4, Role: "successor", Version: "1.22.9", Workers: []supervisor.WorkerStatus{{PID: 5, Draining: true, Connections: 6}, {PID: 7, Draining: true, Connections: 8}}},
		},
		Cycle: fullCycle(),
		Last:  &supervisor.LastStatus{ID: "20260301T120000.123-abcde", Result: supervisor.RolledBack, Reason: "because", Finished: &finished},
	}
}

func fullCycle() *supervisor.CycleStatus {
	times := make([]time.Time, 8)
	for i := range times {
		times[i] = time.UnixMicro(1772366400000001 + int64(i))
	}
	return &supervisor.CycleStatus{
		ID: "20260301T120000.123-fghij", Origin: supervisor.OriginDpkg, Started: times[0], From: "1.22.1", To: "1.22.9", Reason: "a worker died",
		Steps: []supervisor.StepRecord{
			{Phase: supervisor.Verifying, Started: times[1], DurationMS: 12}, {Phase: supervisor.Draining, Started: times[2], DurationMS: 34}},
		Connections: 56, SoakUntil: &times[3], KeepUntil: &times[4], ConfirmUntil: &times[5], DrainUntil: &times[6],
		Probes: []supervisor.ProbeStatus{{Target: "http://[::1]/", Good: true, Text: "not asked", Asked: times[7], TookUS: 789, Rounds: 10}},
	}
}

// complete fails when a field is empty: then a new one is not tested yet.
func complete(t *testing.T, v reflect.Value, name string) {
	t.Helper()
	if v.Type() == reflect.TypeFor[time.Time]() {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			t.Errorf("%s is empty", name)
			return
		}
		complete(t, v.Elem(), name)
	case reflect.Struct:
		for i := range v.NumField() {
			complete(t, v.Field(i), name+"."+v.Type().Field(i).Name)
		}
	case reflect.Slice:
		if v.Len() == 0 {
			t.Errorf("%s is empty", name)
		}
		for i := range v.Len() {
			complete(t, v.Index(i), name)
		}
	default:
		if v.IsZero() {
			t.Errorf("%s is empty", name)
		}
	}
}

// fixed serves properties that do not change.
type fixed struct{ all map[string]dbus.Variant }

func (f fixed) GetAll(string) (map[string]dbus.Variant, *dbus.Error) { return f.all, nil }

// overTheWire sends properties through a connection of the kind that the
// server makes, and returns what the client reads.
func overTheWire(t *testing.T, all map[string]dbus.Variant) (supervisor.Status, error) {
	t.Helper()
	near, far := net.Pipe()
	go func() {
		if err := accept(far); err != nil {
			t.Error(err)
			return
		}
		peer, err := dbus.NewConn(newAccepted(far))
		if err == nil {
			err = peer.Export(fixed{all}, InstancePath("x"), "org.freedesktop.DBus.Properties")
		}
		if err == nil {
			err = peer.Auth(nil)
		}
		if err != nil {
			t.Error(err)
		}
	}()
	conn, err := dbus.NewConn(near)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal("0")}); err != nil {
		t.Fatal(err)
	}
	return (&Client{conn: conn}).Status(t.Context(), "x")
}

// TestNoAnswer calls a daemon that hangs after the handshake.
func TestNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		go func() {
			if err := accept(far); err == nil {
				_, _ = io.Copy(io.Discard, far)
			}
		}()
		conn, err := dbus.NewConn(near)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.Auth([]dbus.Auth{dbus.AuthExternal("0")}); err != nil {
			t.Fatal(err)
		}
		c := &Client{conn: conn}
		for name, ask := range map[string]func(context.Context) error{
			"Instances": func(ctx context.Context) error { _, err := c.Instances(ctx); return err },
			"Status":    func(ctx context.Context) error { _, err := c.Status(ctx, "nginx"); return err },
			"Changes":   func(ctx context.Context) error { _, err := c.Changes(ctx); return err },
		} {
			began := time.Now()
			if err := ask(t.Context()); err != ErrNoAnswer || time.Since(began) != answerLimit {
				t.Errorf("%s: %v after %v", name, err, time.Since(began))
			}
			cancelled, cancel := context.WithCancel(t.Context())
			cancel()
			if err := ask(cancelled); !errors.Is(err, context.Canceled) {
				t.Errorf("%s, given up: %v", name, err)
			}
		}
	})
}

func TestStatusRoundTrip(t *testing.T) {
	full := fullStatus()
	complete(t, reflect.ValueOf(full), "Status")
	empty := supervisor.Status{Name: "nginx", Phase: supervisor.Idle, Masters: []supervisor.MasterStatus{}}
	unfinished := fullStatus()
	unfinished.Last.Finished = nil
	unfinished.Cycle.Steps, unfinished.Cycle.Probes = []supervisor.StepRecord{}, []supervisor.ProbeStatus{}
	unfinished.Cycle.SoakUntil, unfinished.Cycle.DrainUntil = nil, nil
	unfinished.Masters[0].Workers = []supervisor.WorkerStatus{}
	for name, want := range map[string]supervisor.Status{"full": full, "empty": empty, "in parts": unfinished} {
		got, err := overTheWire(t, variants(want))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestAnyBytes sends what nginx and paths may hold: a string that is not UTF-8
// would cost the connection.
func TestAnyBytes(t *testing.T) {
	got, err := overTheWire(t, variants(supervisor.Status{Name: "nginx", Reason: "caf\xe9 \x00", Running: supervisor.RunningStatus{Path: "/\xff/nginx"}}))
	if err != nil || got.Reason != "caf\uFFFD \uFFFD" || got.Running.Path != "/\uFFFD/nginx" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestStatusOfAnotherVersion(t *testing.T) {
	for name, change := range map[string]func(map[string]dbus.Variant){
		"a property is missing":  func(all map[string]dbus.Variant) { delete(all, "Held") },
		"another type":           func(all map[string]dbus.Variant) { all["MainPID"] = dbus.MakeVariant("one") },
		"another structure":      func(all map[string]dbus.Variant) { all["Disk"] = dbus.MakeVariant("1.22.1") },
		"a structure in another": func(all map[string]dbus.Variant) { all["Masters"] = dbus.MakeVariant([]string{"x"}) },
	} {
		all := variants(fullStatus())
		change(all)
		if got, err := overTheWire(t, all); err == nil || !strings.Contains(err.Error(), "another version") {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	all := variants(fullStatus())
	all["Colour"] = dbus.MakeVariant("red") // of a newer daemon
	if _, err := overTheWire(t, all); err != nil {
		t.Errorf("a property more: %v", err)
	}
}
