package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

func TestOtherVersion(t *testing.T) {
	for in, want := range map[string]string{"1.22.1": "1.22.9", "1.26.3": "1.26.9", "1.28.9": "1.28.8", "1.31.10": "1.31.19"} {
		if got := otherVersion(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestParseJournal(t *testing.T) {
	const text = `{"__CURSOR":"s=1","MESSAGE":"nginx: attached","__REALTIME_TIMESTAMP":"1795454481250000"}
{"MESSAGE":"nginx: USR2 sent","__REALTIME_TIMESTAMP":"1795454490000001","__CURSOR":"s=2"}
`
	got, err := parseJournal(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []entry{
		{time.UnixMicro(1795454481250000), "nginx: attached", "s=1"},
		{time.UnixMicro(1795454490000001), "nginx: USR2 sent", "s=2"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(entry{})); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{`{"MESSAGE":`, `{"__REALTIME_TIMESTAMP":"soon"}`} {
		if _, err := parseJournal(strings.NewReader(bad)); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

func TestTargets(t *testing.T) {
	got := targets(traffic.Site{Listen: "127.0.0.1:80", Unix: "/run/s", Upstream: "127.0.0.1:9", BigSize: 100})
	want := []string{
		"kind=new,url=http://127.0.0.1:80/",
		"kind=keepalive,url=http://127.0.0.1:80/",
		"kind=download,url=http://127.0.0.1:80/big,size=100,rate=524288",
		"kind=stream,url=http://127.0.0.1:80/stream,hold=5s",
		"kind=unix,url=http://localhost/,unix=/run/s",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStory(t *testing.T) {
	var b strings.Builder
	s := newStory(&b)
	s.line(s.began.Add(12340*time.Millisecond), "boot")
	s.remark("with %d units", 3)
	s.entry(entry{at: s.began.Add(100 * time.Second), message: "nginx: attached"})
	want := "  12.3 s  boot\n          with 3 units\n 100.0 s  | nginx: attached\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}
