package bus

import (
	"encoding/xml"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/introspect"
	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

const getProperty = "org.freedesktop.DBus.Properties.Get"

func TestWhoMayAct(t *testing.T) {
	d, b := onBus(t, "nginx")
	conn := b.dial(t)
	instance, manager := conn.Object(Name, InstancePath("nginx")), conn.Object(Name, ManagerPath)
	t.Run("root without polkit", func(t *testing.T) {
		if err := instance.Call(InstanceInterface+".Hold", 0).Err; err != nil {
			t.Error(err)
		}
		if err := manager.Call(ManagerInterface+".Reload", 0).Err; err != nil {
			t.Error(err)
		}
	})
	t.Run("others without polkit", func(t *testing.T) {
		for member, want := range map[string]string{
			"read": "", "Hold": "only root may do this", "Upgrade": "only root may do this", "Reload": "only root may do this",
		} {
			if out := b.asNobody(t, member); !strings.Contains(out, want) || (want == "") != (strings.TrimSpace(out) == "") {
				t.Errorf("%s: %q", member, out)
			}
		}
		if out := b.asNobody(t, "LogLevel"); !strings.Contains(out, "org.freedesktop.DBus.Error.AccessDenied") || d.Level.Level() != slog.LevelInfo {
			t.Errorf("the log level: %q", out)
		}
	})
	for name, tt := range map[string]struct {
		authorized, challenge bool
		flags                 dbus.Flags
		fails, says           string
	}{
		"yes":                    {true, false, 0, "", ""},
		"no":                     {false, false, 0, "AccessDenied", "does not let you"},
		"a password, unasked":    {false, true, 0, "InteractiveAuthorizationRequired", "wants a password"},
		"a password, not given":  {false, true, dbus.FlagAllowInteractiveAuthorization, "AccessDenied", "does not let you"},
		"a password, well given": {true, false, dbus.FlagAllowInteractiveAuthorization, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := b.polkit(t, tt.authorized, tt.challenge)
			err := unhold(conn, tt.flags)
			if tt.says == "" && err != nil || tt.says != "" && (errorName(err) != "org.freedesktop.DBus.Error."+tt.fails || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("got %v", err)
			}
			want := asked{"system-bus-name " + conn.Names()[0], actionManage, map[string]string{"instance": "nginx", "method": "Unhold"}, 0}
			if tt.flags != 0 {
				want.flags = allowInteraction
			}
			if diff := cmp.Diff(want, <-p.asked, cmp.AllowUnexported(asked{})); diff != "" {
				t.Error(diff)
			}
			if err := instance.Call(getProperty, 0, InstanceInterface, "Phase").Err; err != nil || len(p.asked) > 0 {
				t.Errorf("reading: %v", err)
			}
		})
	}
}

// TestBrokenPolkit keeps out everybody but root.
func TestBrokenPolkit(t *testing.T) {
	_, b := onBus(t, "nginx")
	conn := b.dial(t) // has no object there
	if reply, err := conn.RequestName(polkitName, 0); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("%v, %v", reply, err)
	}
	if err := b.dial(t).Object(Name, InstancePath("nginx")).Call(InstanceInterface+".Hold", 0).Err; err != nil {
		t.Errorf("root: %v", err)
	}
	if out := b.asNobody(t, "Hold"); !strings.Contains(out, "cannot ask polkit") || !strings.Contains(out, "AccessDenied") {
		t.Errorf("another: %q", out)
	}
}

// unhold makes a call with flags that godbus leaves out of its own.
func unhold(conn *dbus.Conn, flags dbus.Flags) error {
	call := conn.Send(&dbus.Message{Type: dbus.TypeMethodCall, Flags: flags, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldDestination: dbus.MakeVariant(Name), dbus.FieldPath: dbus.MakeVariant(InstancePath("nginx")),
		dbus.FieldInterface: dbus.MakeVariant(InstanceInterface), dbus.FieldMember: dbus.MakeVariant("Unhold"),
	}}, make(chan *dbus.Call, 1))
	return (<-call.Done).Err
}

// TestActions has every acting method ask for its right before it acts.
func TestActions(t *testing.T) {
	_, b := onBus(t, "nginx")
	p := b.polkit(t, false, false)
	conn := b.dial(t)
	none := map[string]dbus.Variant{}
	for _, tt := range []struct {
		path           dbus.ObjectPath
		method, action string
		args           []any
	}{
		{InstancePath("nginx"), InstanceInterface + ".Upgrade", actionUpgrade, []any{none}},
		{InstancePath("nginx"), InstanceInterface + ".Rollback", actionUpgrade, []any{none}},
		{InstancePath("nginx"), InstanceInterface + ".Confirm", actionUpgrade, nil},
		{InstancePath("nginx"), InstanceInterface + ".Hold", actionManage, nil},
		{InstancePath("nginx"), InstanceInterface + ".Unhold", actionManage, nil},
		{ManagerPath, ManagerInterface + ".Reload", actionManage, nil},
	} {
		if err := conn.Object(Name, tt.path).Call(tt.method, 0, tt.args...).Err; errorName(err) != "org.freedesktop.DBus.Error.AccessDenied" {
			t.Errorf("%s: %v", tt.method, err)
		}
		if got := (<-p.asked).action; got != tt.action {
			t.Errorf("%s: got %s", tt.method, got)
		}
	}
	err := conn.Object(Name, InstancePath("nginx")).Call(InstanceInterface+".Upgrade", 0, map[string]dbus.Variant{"origin": dbus.MakeVariant("dpkg")}).Err
	if errorName(err) != "org.freedesktop.DBus.Error.InvalidArgs" || len(p.asked) > 0 {
		t.Errorf("a hook's origin: %v", err)
	}
}

func TestSystemBusSignals(t *testing.T) {
	d, b := onBus(t, "nginx")
	conn := b.dial(t)
	signals := make(chan *dbus.Signal, 64)
	conn.Signal(signals)
	if err := conn.AddMatchSignal(dbus.WithMatchSender(Name)); err != nil {
		t.Fatal(err)
	}
	wait := func(name string, holds func(*dbus.Signal) bool) {
		t.Helper()
		limit := time.After(10 * time.Second)
		for {
			select {
			case s := <-signals:
				if s.Name == name && holds(s) {
					return
				}
			case <-limit:
				t.Fatalf("no %s", name)
			}
		}
	}
	disturb(t, d.list()[0], "garbage")
	wait(propertiesInterface+".PropertiesChanged", func(s *dbus.Signal) bool {
		changed := s.Body[1].(map[string]dbus.Variant)
		_, name := changed["Name"]
		_, reason := changed["Reason"]
		return s.Path == InstancePath("nginx") && s.Body[0] == InstanceInterface && reason && !name
	})
	d.Finished(&supervisor.Record{ID: "x", Instance: "nginx", Result: supervisor.RolledBack, Reason: "not \xff UTF-8"})
	wait(InstanceInterface+".Finished", func(s *dbus.Signal) bool {
		return s.Path == InstancePath("nginx") && cmp.Equal(s.Body, []any{"x", "rolled-back", "not \uFFFD UTF-8"})
	})
	d.change(func(all []*supervisor.Supervisor) []*supervisor.Supervisor {
		return append(all, newInstance(t, "nginx@blog", nil))
	})
	wait(objectManagerInterface+".InterfacesAdded", func(s *dbus.Signal) bool {
		return s.Path == ManagerPath && s.Body[0] == InstancePath("nginx@blog")
	})
	var objects map[dbus.ObjectPath]map[string]map[string]dbus.Variant
	err := conn.Object(Name, ManagerPath).Call(objectManagerInterface+".GetManagedObjects", 0).Store(&objects)
	if err != nil || len(objects) != 2 || objects[InstancePath("nginx@blog")][InstanceInterface]["Name"].Value() != "nginx@blog" {
		t.Errorf("got %v, %v", objects, err)
	}
	d.change(func(all []*supervisor.Supervisor) []*supervisor.Supervisor { return all[:1] })
	wait(objectManagerInterface+".InterfacesRemoved", func(s *dbus.Signal) bool {
		return s.Body[0] == InstancePath("nginx@blog") && cmp.Equal(s.Body[1], []string{InstanceInterface})
	})
}

// TestTree walks the objects from the root, as busctl does.
func TestTree(t *testing.T) {
	_, b := onBus(t, "nginx", "nginx@blog")
	conn := b.dial(t)
	var paths []string
	var walk func(path string)
	walk = func(path string) {
		node, err := introspect.Call(conn.Object(Name, dbus.ObjectPath(path)))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		paths = append(paths, path)
		for _, child := range node.Children {
			walk(strings.TrimSuffix(path, "/") + "/" + child.Name)
		}
	}
	walk("/")
	want := []string{"/", "/io", "/io/github", "/io/github/NginxHotswap1", "/io/github/NginxHotswap1/instance",
		"/io/github/NginxHotswap1/instance/nginx", "/io/github/NginxHotswap1/instance/nginx_40blog",
		"/org", "/org/freedesktop", "/org/freedesktop/LogControl1"}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Error(diff)
	}
}

func TestLogControl(t *testing.T) {
	d, b := onBus(t)
	object := b.dial(t).Object(Name, LogControlPath)
	for _, tt := range []struct {
		set   string
		level slog.Level
		reads string
	}{
		{"debug", slog.LevelDebug, "debug"}, {"notice", slog.LevelInfo, "info"}, {"info", slog.LevelInfo, "info"},
		{"warning", slog.LevelWarn, "warning"}, {"err", slog.LevelError, "err"}, {"emerg", slog.LevelError, "err"},
	} {
		if err := object.SetProperty(LogControlInterface+".LogLevel", dbus.MakeVariant(tt.set)); err != nil {
			t.Errorf("%s: %v", tt.set, err)
		}
		v, err := object.GetProperty(LogControlInterface + ".LogLevel")
		if err != nil || v.Value() != tt.reads || d.Level.Level() != tt.level {
			t.Errorf("after %s: %v, %v, %v", tt.set, v, d.Level, err)
		}
	}
	for name, value := range map[string]any{"LogLevel": "loud", "LogTarget": "console", "SyslogIdentifier": "x"} {
		if err := object.SetProperty(LogControlInterface+"."+name, dbus.MakeVariant(value)); err == nil {
			t.Errorf("%s can be set to %v", name, value)
		}
	}
	if err := object.SetProperty(LogControlInterface+".LogLevel", dbus.MakeVariant(7)); errorName(err) != "org.freedesktop.DBus.Error.InvalidArgs" {
		t.Errorf("a number: %v", err)
	}
}

func TestNameTaken(t *testing.T) {
	_, b := onBus(t)
	second := serve(t, nil)
	err := second.ServeSystemBus(t.Context(), b.socket, func() { t.Error("two have the name") })
	if !errors.Is(err, ErrNameTaken) {
		t.Errorf("got %v", err)
	}
}

// TestIntrospectionIsComplete compares what objects say of themselves with what
// is documented.
func TestIntrospectionIsComplete(t *testing.T) {
	facets := []*facet{{about: instanceInterface, read: func() map[string]dbus.Variant { return nil }}}
	text, err := describe(withStandard(facets, nil), []string{"child"})
	if err != nil {
		t.Fatal(err)
	}
	var node introspect.Node
	if err := xml.Unmarshal([]byte(text), &node); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range node.Interfaces {
		names = append(names, i.Name)
	}
	want := []string{"org.freedesktop.DBus.Peer", InstanceInterface, propertiesInterface, "org.freedesktop.DBus.Introspectable"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}
