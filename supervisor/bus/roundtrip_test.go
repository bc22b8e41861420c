package bus

import (
	"maps"
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

// TestOptions checks that every field of a request arrives, and by no other method.
func TestOptions(t *testing.T) {
	common := map[string]dbus.Variant{"origin": dbus.MakeVariant("cli"), "wait": dbus.MakeVariant("verdict")}
	upgrade := map[string]dbus.Variant{"dry-run": dbus.MakeVariant(true), "force": dbus.MakeVariant(true),
		"if-running": dbus.MakeVariant(true), "from-reload": dbus.MakeVariant(true)}
	rollback := map[string]dbus.Variant{"to": dbus.MakeVariant("1.2.3")}
	all := supervisor.Request{Origin: supervisor.OriginCLI, Wait: supervisor.WaitVerdict}
	for action, own := range map[supervisor.Action]map[string]dbus.Variant{supervisor.ActionUpgrade: upgrade, supervisor.ActionRollback: rollback} {
		maps.Copy(own, common)
		got, err := requestOf(action, own)
		if err != nil || got.Action != action {
			t.Fatalf("%s: %+v, %v", action, got, err)
		}
		all.Action, all.To = got.Action, all.To+got.To
		all.DryRun, all.Force = all.DryRun || got.DryRun, all.Force || got.Force
		all.IfRunning, all.FromReload = all.IfRunning || got.IfRunning, all.FromReload || got.FromReload
		got, err = requestOf(action, nil)
		if err != nil || got != (supervisor.Request{Action: action, Origin: supervisor.OriginBus, Wait: supervisor.WaitVerdict}) {
			t.Errorf("%s without options: %+v, %v", action, got, err)
		}
	}
	complete(t, reflect.ValueOf(all), "Request")
	for key, value := range upgrade {
		if _, err := requestOf(supervisor.ActionRollback, map[string]dbus.Variant{key: value}); common[key] == (dbus.Variant{}) && err == nil {
			t.Errorf("a rollback takes %s", key)
		}
	}
	if _, err := requestOf(supervisor.ActionUpgrade, map[string]dbus.Variant{"to": rollback["to"]}); err == nil {
		t.Error("an upgrade takes to")
	}
}

func TestUpgradeRefusesOptions(t *testing.T) {
	c := serve(t, nil, "nginx").dial(t)
	object := c.conn.Object(Name, InstancePath("nginx"))
	for name, tt := range map[string]struct {
		key   string
		value any
		says  string
	}{
		"unknown":        {"speed", "fast", `option "speed" is unknown, it is one of dry-run, force, from-reload, if-running, origin, wait`},
		"type of a flag": {"force", "yes", `option "force" has the type s, not b`},
		"type of a word": {"wait", true, `option "wait" has the type b, not s`},
		"wait":           {"wait", "forever", "not verdict or done"},
		"no wait":        {"wait", "", "not verdict or done"},
		"origin":         {"origin", "elsewhere", "is unknown"},
		"not for asking": {"origin", "watch", "is unknown"},
	} {
		err := object.CallWithContext(t.Context(), InstanceInterface+".Upgrade", 0, map[string]dbus.Variant{tt.key: dbus.MakeVariant(tt.value)}).Err
		failed, ok := err.(dbus.Error)
		if !ok || failed.Name != "org.freedesktop.DBus.Error.InvalidArgs" || !strings.Contains(failed.Error(), tt.says) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	err := object.CallWithContext(t.Context(), InstanceInterface+".Hold", 0, "x").Err
	if err == nil || err.Error() != "Hold takes no arguments, not the arguments s" {
		t.Errorf("Hold with an argument: %v", err)
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
