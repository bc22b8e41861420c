package main

import "testing"

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
