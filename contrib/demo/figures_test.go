package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

// good are the figures of an upgrade as it should be.
func good() *figures {
	all := traffic.Summary{Requests: 130984, OK: 130984, StaleRetries: 8, LongestGapMS: 12.6, Echoes: 10481,
		Servers: map[string]int{"nginx/1.22.1": 50000, "nginx/1.22.9": 80984}}
	return &figures{
		before: sight{Version: "1.22.1", MainPID: "111", Restarts: "0"},
		after:  sight{Version: "1.22.9", MainPID: "320", Restarts: "0", Status: `"nginx 1.22.9"`},
		report: &traffic.Report{DurationMS: 27_600, Total: all, Kinds: map[traffic.Kind]traffic.Summary{
			traffic.New:       {OK: 73979, LongestGapMS: 13.2},
			traffic.KeepAlive: {OK: 37972, StaleRetries: 8, LongestGapMS: 13.4},
			traffic.Download:  {OK: 16, LongestGapMS: 43},
			traffic.Stream:    {OK: 48, LongestGapMS: 31},
			traffic.Unix:      {OK: 18969, LongestGapMS: 13},
		}},
	}
}

func TestVerdict(t *testing.T) {
	if err := good().verdict(); err != nil {
		t.Errorf("good figures are refused: %v", err)
	}
	for name, spoil := range map[string]func(*figures){
		"a request failed":        func(f *figures) { f.report.Total.Failed = 1 },
		"nothing was answered":    func(f *figures) { f.report.Total.OK = 0 },
		"the version stays":       func(f *figures) { f.after.Version = f.before.Version },
		"MainPID stays":           func(f *figures) { f.after.MainPID = f.before.MainPID },
		"clients see the old one": func(f *figures) { delete(f.report.Total.Servers, "nginx/1.22.9") },
		"systemd restarts nginx":  func(f *figures) { f.after.Restarts = "1" },
	} {
		f := good()
		spoil(f)
		if err := f.verdict(); !errors.Is(err, errNotProven) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestPrint(t *testing.T) {
	f := good()
	f.report.Failures = []traffic.Failure{{Client: traffic.New, Kind: traffic.ConnectRefused, Text: "GET http://127.0.0.1/: refused"}}
	var got strings.Builder
	f.print(&got)
	want := `
            before   after
nginx       1.22.1   1.22.9
MainPID     111      320
NRestarts   0        0
systemctl status nginx:  Status: "nginx 1.22.9"

   requests              ok   failed   stale retries   longest gap
   new connections    73979        0               0         13 ms
   keep-alive         37972        0               8         13 ms
   slow downloads        16        0               0         43 ms
   streams               48        0               0         31 ms
   unix socket        18969        0               0         13 ms
   all               130984        0               8         13 ms

In 28 s 10481 messages of streams came back as well. A stale retry is a request on an idle keep-alive
connection that nginx was just closing, as on every reload; clients repeat it, and it succeeds.
failed: new: connect-refused: GET http://127.0.0.1/: refused
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}
