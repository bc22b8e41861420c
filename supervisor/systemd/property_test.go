package systemd

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"
)

// pair and deep stand for what systemd's properties look like.
type pair struct {
	Flag bool
	Text string
}

type deep struct {
	Allow bool
	Names []string
	Inner []struct {
		Family  int32
		Address []byte
		Prefix  uint32
	}
}

// wire sends a value through D-Bus's own encoding, as a property read would.
func wire(t *testing.T, v dbus.Variant) dbus.Variant {
	t.Helper()
	msg := &dbus.Message{
		Type: dbus.TypeMethodCall,
		Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldPath:      dbus.MakeVariant(dbus.ObjectPath("/")),
			dbus.FieldMember:    dbus.MakeVariant("M"),
			dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf(v)),
		},
		Body: []any{v},
	}
	var b bytes.Buffer
	if err := msg.EncodeTo(&b, binary.LittleEndian); err != nil {
		t.Fatal(err)
	}
	got, err := dbus.DecodeMessage(&b)
	if err != nil {
		t.Fatal(err)
	}
	return got.Body[0].(dbus.Variant)
}

func TestSettable(t *testing.T) {
	d := deep{Allow: true, Names: []string{"read", "write"}}
	d.Inner = append(d.Inner, struct {
		Family  int32
		Address []byte
		Prefix  uint32
	}{2, []byte{127, 0, 0, 1}, 8})
	for name, v := range map[string]any{
		"text":              "yes",
		"number":            uint64(1 << 40),
		"texts":             []string{"-/run/nginx"},
		"no texts":          []string{},
		"bytes":             []byte{1, 2},
		"(bs)":              pair{true, "httpd_t"},
		"a(bs)":             []pair{{false, "a"}, {true, "b"}},
		"empty a(bs)":       []pair{},
		"nested":            d,
		"a{ss}":             map[string]string{"a": "b"},
		"a(ssbt)":           []bindMount{{"/a", "/b", true, 0x4000}},
		"(as) in array":     []struct{ L [][]string }{{[][]string{{"x"}, {}}}},
		"object path":       dbus.ObjectPath("/a"),
		"struct in a(s(u))": []struct{ A struct{ N uint32 } }{{struct{ N uint32 }{7}}},
	} {
		t.Run(name, func(t *testing.T) {
			sent := dbus.MakeVariant(v)
			read := wire(t, sent)
			set, err := settable(read)
			if err != nil {
				t.Fatal(err)
			}
			if set.Signature() != sent.Signature() {
				t.Fatalf("signature %v, want %v", set.Signature(), sent.Signature())
			}
			if diff := cmp.Diff(read.Value(), wire(t, set).Value()); diff != "" {
				t.Errorf("value changed on the way back (-read +written):\n%s", diff)
			}
		})
	}
}

func TestTypeOfRejects(t *testing.T) {
	for _, sig := range []string{"", "a", "(s", "a{s", "a{asv}", "a{sv", "h", "z", "()z("} {
		if typ, rest, err := typeOf(sig); err == nil && rest == "" {
			t.Errorf("typeOf(%q) = %v", sig, typ)
		}
	}
}

func TestIsEmpty(t *testing.T) {
	for _, v := range []any{nil, "", []string{}, pair{}, struct{ L []string }{}, []byte{}} {
		if !isEmpty(v) {
			t.Errorf("%#v should say nothing", v)
		}
	}
	for _, v := range []any{false, uint64(0), int32(0), "x", []string{""}, pair{true, ""}, pair{false, "x"}} {
		if isEmpty(v) {
			t.Errorf("%#v should say something", v)
		}
	}
}

func TestUnitPath(t *testing.T) {
	for name, want := range map[string]dbus.ObjectPath{
		"nginx.service":      "/org/freedesktop/systemd1/unit/nginx_2eservice",
		"nginx@a-b.service":  "/org/freedesktop/systemd1/unit/nginx_40a_2db_2eservice",
		"1st_one.service":    "/org/freedesktop/systemd1/unit/_31st_5fone_2eservice",
		"ngınx.service":      "/org/freedesktop/systemd1/unit/ng_c4_b1nx_2eservice",
		"open-resty.service": "/org/freedesktop/systemd1/unit/open_2dresty_2eservice",
	} {
		if got := unitPath(name); got != want {
			t.Errorf("unitPath(%q) = %s, want %s", name, got, want)
		}
		if back, ok := unitName(want); !ok || back != name {
			t.Errorf("unitName(%s) = %q, %v, want %q", want, back, ok, name)
		}
	}
	if name, ok := unitName("/org/freedesktop/systemd1/job/7"); ok {
		t.Errorf("a job is taken for unit %q", name)
	}
}

func TestStateOfNothing(t *testing.T) {
	if diff := cmp.Diff(State{}, stateOf(properties{})); diff != "" {
		t.Error(diff)
	}
}

func TestStateOf(t *testing.T) {
	type command struct {
		Path          string
		Argv          []string
		Ignore        bool
		A, B, C, D    uint64
		Pid           uint32
		Code, Outcome int32
	}
	type job struct {
		ID   uint32
		Path dbus.ObjectPath
	}
	p := properties{}
	for name, v := range map[string]any{
		"Id": "nginx.service", "LoadState": "loaded", "MainPID": uint32(7), "MemoryMax": uint64(1 << 62),
		"Result": "signal", "NRestarts": uint32(3),
		"ExecStart": []command{{Path: "/usr/sbin/nginx", Argv: []string{"/usr/sbin/nginx", "-g", "daemon on;"}}},
		"ExecReload": []command{{Path: "/usr/sbin/nginx", Argv: []string{"/usr/sbin/nginx", "-t"}},
			{Path: "/bin/kill", Argv: []string{"/bin/kill", "-HUP", "$MAINPID"}}},
		"Job": job{12, "/org/freedesktop/systemd1/job/12"},
	} {
		p[name] = wire(t, dbus.MakeVariant(v))
	}
	want := State{Name: "nginx.service", LoadState: "loaded", MainPID: 7, MemoryMax: 1 << 62, JobID: 12, Result: "signal", NRestarts: 3,
		ExecStart:      []string{"/usr/sbin/nginx", "-g", "daemon on;"},
		ReloadsMainPID: true}
	if diff := cmp.Diff(want, stateOf(p)); diff != "" {
		t.Error(diff)
	}
}
