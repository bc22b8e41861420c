package main

import (
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

func TestEscapeInstance(t *testing.T) {
	for name, want := range map[string]string{
		"nginx":          "nginx",
		"nginx@my-blog":  "nginx@my-blog",
		"home/nginx.pid": `home\x2fnginx.pid`,
		"a b%c\\x":       `a\x20b\x25c\x5cx`,
		"ä":              `\xc3\xa4`,
	} {
		got := escapeInstance(name)
		if got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
		if back := unescapeInstance(got); back != name {
			t.Errorf("%q became %q", name, back)
		}
	}
}

// What can be acknowledged says how; an instance that got stuck cannot.
func TestAlertText(t *testing.T) {
	s := supervisor.Status{Name: "nginx", Alert: "1.28.0 does not run", Masters: make([]supervisor.MasterStatus, 1)}
	if got := alertText(s); got != "1.28.0 does not run; `nginx-hotswap confirm nginx` acknowledges it" {
		t.Error(got)
	}
	for _, masters := range []int{0, 2} {
		s.Masters = make([]supervisor.MasterStatus, masters)
		if got := alertText(s); got != s.Alert {
			t.Errorf("%d masters: %s", masters, got)
		}
	}
}

// The latest word of an instance counts.
func TestAlertsKeepTheLatest(t *testing.T) {
	a := newAlerts()
	a.set("nginx", "bad")
	a.set("other", "worse")
	a.set("nginx", "")
	if got := a.take(); len(got) != 2 || got["nginx"] != "" || got["other"] != "worse" {
		t.Errorf("got %v", got)
	}
	if got := a.take(); len(got) != 0 {
		t.Errorf("again: %v", got)
	}
}
