package bus

import (
	"net"
	"reflect"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

func TestInstances(t *testing.T) {
	d := serve(t, nil, "nginx", "nginx@blog", "a-b.c")
	list, err := d.dial(t).Instances(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []Listed{
		{"nginx", "", "/io/github/NginxHotswap1/instance/nginx"},
		{"nginx@blog", "", "/io/github/NginxHotswap1/instance/nginx_40blog"},
		{"a-b.c", "", "/io/github/NginxHotswap1/instance/a_2db_2ec"},
	}
	for i := range list {
		if !strings.HasSuffix(list[i].PIDFile, "/none.pid") {
			t.Errorf("the pid file of %s is %q", list[i].Name, list[i].PIDFile)
		}
		list[i].PIDFile = ""
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Error(diff)
	}
	if list, err := serve(t, nil).dial(t).Instances(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("without an instance: %v, %v", list, err)
	}
}

func TestInstancePaths(t *testing.T) {
	for _, name := range []string{"", "nginx", "0", "9nginx", "a_b", "ä", "a/b", "..", "nginx@x:y", strings.Repeat("x", 200)} {
		if path := InstancePath(name); !path.IsValid() {
			t.Errorf("InstancePath(%q) = %q is not valid", name, path)
		}
	}
	seen := map[dbus.ObjectPath]string{}
	for _, name := range []string{"", "_", "a_b", "a-b", "a_2db", "a", "A"} {
		path := InstancePath(name)
		if other, ok := seen[path]; ok {
			t.Errorf("%q and %q are both %s", name, other, path)
		}
		seen[path] = name
	}
}

func TestUpgrade(t *testing.T) {
	c := serve(t, nil, "nginx").dial(t)
	r := supervisor.Request{Origin: supervisor.OriginCLI, Wait: supervisor.WaitVerdict}
	out, err := c.Do(t.Context(), "nginx", r)
	if err != nil || out.Code != supervisor.ExitNotSwappable || !strings.Contains(out.Text, "not running") {
		t.Errorf("got %+v, %v", out, err)
	}
	r.IfRunning = true
	if out, err = c.Do(t.Context(), "nginx", r); err != nil || out.Code != supervisor.ExitOK {
		t.Errorf("with --if-running: %+v, %v", out, err)
	}
}

// TestUpgradeOptions checks that every field of a request arrives.
func TestUpgradeOptions(t *testing.T) {
	want := supervisor.Request{Origin: supervisor.OriginCLI, Wait: supervisor.WaitVerdict, DryRun: true, Force: true, IfRunning: true, FromReload: true, To: "1.2.3"}
	want.Action = supervisor.ActionRollback // that is the method's
	complete(t, reflect.ValueOf(want), "Request")
	want.Action = ""
	got, err := requestOf(map[string]dbus.Variant{
		"origin": dbus.MakeVariant("cli"), "wait": dbus.MakeVariant("verdict"), "dry-run": dbus.MakeVariant(true),
		"force": dbus.MakeVariant(true), "if-running": dbus.MakeVariant(true), "from-reload": dbus.MakeVariant(true), "to": dbus.MakeVariant("1.2.3"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got, err = requestOf(nil)
	if err != nil || got != (supervisor.Request{Origin: supervisor.OriginBus, Wait: supervisor.WaitVerdict}) {
		t.Errorf("without options: %+v, %v", got, err)
	}
}

func TestUpgradeRefusesOptions(t *testing.T) {
	c := serve(t, nil, "nginx").dial(t)
	object := c.conn.Object(Name, InstancePath("nginx"))
	for name, options := range map[string]map[string]dbus.Variant{
		"unknown":        {"speed": dbus.MakeVariant("fast")},
		"type of a flag": {"force": dbus.MakeVariant("yes")},
		"type of a word": {"wait": dbus.MakeVariant(true)},
		"wait":           {"wait": dbus.MakeVariant("forever")},
		"no wait":        {"wait": dbus.MakeVariant("")},
		"origin":         {"origin": dbus.MakeVariant("elsewhere")},
		"not for asking": {"origin": dbus.MakeVariant("watch")},
	} {
		err := object.CallWithContext(t.Context(), InstanceInterface+".Upgrade", 0, options).Err
		failed, ok := err.(dbus.Error)
		if !ok || failed.Name != "org.freedesktop.DBus.Error.InvalidArgs" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := object.CallWithContext(t.Context(), InstanceInterface+".Upgrade", 0, "no options").Err; err == nil {
		t.Error("arguments of another type are taken")
	}
	if err := object.CallWithContext(t.Context(), InstanceInterface+".Upgrade", 0).Err; err == nil {
		t.Error("no arguments are taken")
	}
}

func TestUnknownInstance(t *testing.T) {
	c := serve(t, nil, "nginx").dial(t)
	if out, err := c.Do(t.Context(), "other", supervisor.Request{Origin: supervisor.OriginCLI, Wait: supervisor.WaitDone}); err == nil {
		t.Errorf("got %+v", out)
	}
	if st, err := c.Status(t.Context(), "other"); err == nil || !strings.Contains(err.Error(), "other") {
		t.Errorf("got %+v, %v", st, err)
	}
	if _, err := c.Status(t.Context(), "nginx"); err != nil {
		t.Errorf("after that: %v", err)
	}
}

func TestReload(t *testing.T) {
	answers := []error{nil, net.ErrClosed}
	d := serve(t, func() error {
		err := answers[0]
		answers = answers[1:]
		return err
	})
	c := d.dial(t)
	if err := c.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	if err := c.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), net.ErrClosed.Error()) {
		t.Errorf("got %v", err)
	}
}

func TestProperties(t *testing.T) {
	c := serve(t, nil, "nginx").dial(t)
	object := c.conn.Object(Name, InstancePath("nginx"))
	v, err := object.GetProperty(InstanceInterface + ".Name")
	if err != nil || v.Value() != "nginx" {
		t.Errorf("Name is %v, %v", v, err)
	}
	if v, err := object.GetProperty(InstanceInterface + ".Colour"); err == nil {
		t.Errorf("Colour is %v", v)
	}
	if v, err := object.GetProperty("io.github.Other.Name"); err == nil {
		t.Errorf("another interface's Name is %v", v)
	}
	for _, name := range []string{"Name", "Held", "Colour"} {
		err := object.SetProperty(InstanceInterface+"."+name, dbus.MakeVariant("x"))
		if failed, ok := err.(dbus.Error); !ok || failed.Name != "org.freedesktop.DBus.Error.PropertyReadOnly" {
			t.Errorf("setting %s: %v", name, err)
		}
	}
}

// TestIntrospection compares what is declared with what is sent.
func TestIntrospection(t *testing.T) {
	sent := variants(fullStatus())
	if len(instanceInterface.Properties) != len(sent) {
		t.Errorf("%d properties are declared, %d sent", len(instanceInterface.Properties), len(sent))
	}
	for _, p := range instanceInterface.Properties {
		if got := sent[p.Name].Signature().String(); got != p.Type {
			t.Errorf("%s is declared as %s and sent as %s", p.Name, p.Type, got)
		}
	}
	var xml string
	c := serve(t, nil, "nginx").dial(t)
	err := c.conn.Object(Name, InstancePath("nginx")).Call("org.freedesktop.DBus.Introspectable.Introspect", 0).Store(&xml)
	if err != nil || !strings.Contains(xml, InstanceInterface) {
		t.Errorf("got %q, %v", xml, err)
	}
}
