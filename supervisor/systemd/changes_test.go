package systemd

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"
)

func TestMatchUnit(t *testing.T) {
	patterns := []string{"nginx.service", "nginx@*.service"}
	for unit, want := range map[string]bool{
		"nginx.service": true, "nginx@blue.service": true, "nginx@.service": true,
		"nginx.socket": false, "anginx.service": false, "nginxx.service": false, "": false,
	} {
		if got := matchUnit(patterns, unit); got != want {
			t.Errorf("%q: %v", unit, got)
		}
	}
}

func TestChangesMalformed(t *testing.T) {
	if _, err := Changes(t.Context(), []string{"nginx[.service"}); err == nil {
		t.Error("a malformed pattern was taken")
	}
}

// Many changes of one unit are one, in the order in which the units first
// changed, and none is lost while nobody reads.
func TestFeedCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f := &feed{out: make(chan string)}
		in := make(chan string)
		go f.serve(ctx, in)
		for _, u := range []string{"a", "b", "a", "a", "c", "b"} {
			in <- u
		}
		var got []string
		for range 3 {
			got = append(got, <-f.out)
		}
		in <- "a"
		got = append(got, <-f.out)
		if diff := cmp.Diff([]string{"a", "b", "c", "a"}, got); diff != "" {
			t.Error(diff)
		}
		synctest.Wait()
		select {
		case u := <-f.out:
			t.Errorf("%s came once more", u)
		default:
		}
	})
}

// What came before the bus went is handed out while we wait for it.
func TestFeedIdleHandsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &feed{out: make(chan string)}
		f.note("a")
		go f.idle(t.Context(), time.Second)
		if got := <-f.out; got != "a" {
			t.Errorf("%q", got)
		}
	})
}

func TestAbout(t *testing.T) {
	s := &subscription{m: &Manager{}, patterns: []string{"nginx*.service"}, watched: []string{"nginx.service"}}
	for _, c := range []struct {
		name string
		sig  *dbus.Signal
		want []string
		ends bool
	}{
		{"properties", &dbus.Signal{Name: ifProps + ".PropertiesChanged", Path: unitPath("nginx.service")},
			[]string{"nginx.service"}, false},
		{"another unit", &dbus.Signal{Name: ifProps + ".PropertiesChanged", Path: unitPath("ssh.service")}, nil, false},
		{"reload begins", &dbus.Signal{Name: ifManager + ".Reloading", Body: []any{true}}, nil, false},
		{"reload ends", &dbus.Signal{Name: ifManager + ".Reloading", Body: []any{false}}, []string{"nginx.service"}, false},
		{"new", &dbus.Signal{Name: ifManager + ".UnitNew", Body: []any{"nginx2.service", dbus.ObjectPath("/")}},
			[]string{"nginx2.service"}, false},
		{"removed", &dbus.Signal{Name: ifManager + ".UnitRemoved", Body: []any{"nginx2.service", dbus.ObjectPath("/")}},
			[]string{"nginx2.service"}, false},
		{"other removed", &dbus.Signal{Name: ifManager + ".UnitRemoved", Body: []any{"x.service"}}, nil, false},
		{"new PID 1", &dbus.Signal{Name: "org.freedesktop.DBus.NameOwnerChanged"}, nil, true},
		{"malformed", &dbus.Signal{Name: ifManager + ".UnitNew"}, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := s.about(t.Context(), c.sig)
			if ok == c.ends {
				t.Errorf("ends: %v", !ok)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
