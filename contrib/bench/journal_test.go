package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

func TestParseJournal(t *testing.T) {
	entry := func(e supervisor.Event, sent, took string) string {
		return `{"MESSAGE_ID":"` + e.ID + `","_SOURCE_REALTIME_TIMESTAMP":"` + sent + `","NGINX_HOTSWAP_DURATION_USEC":"` + took + `"}` + "\n"
	}
	text := entry(supervisor.EventStarted, "1795454481250001", "21500") + entry(supervisor.EventRollback, "1795454482000000", "0") +
		entry(supervisor.EventRollback, "1795454483000000", "0") + entry(supervisor.Event{ID: "of somebody else"}, "x", "y")
	got, err := parseJournal(text)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]told{
		"started":  {time.UnixMicro(1795454481250001), 21500 * time.Microsecond},
		"rollback": {time.UnixMicro(1795454482000000), 0}, // the first
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(told{})); diff != "" {
		t.Error(diff)
	}
	if _, err := event(got, supervisor.EventVerdict); err == nil || !strings.Contains(err.Error(), "verdict") {
		t.Errorf("error %v", err)
	}
	for text, want := range map[string]string{
		"nonsense":                                  "cannot read the journal",
		entry(supervisor.EventStarted, "", "1"):     "when the entry started was sent",
		entry(supervisor.EventStarted, "1", "long"): "how long started took",
	} {
		if _, err := parseJournal(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, not %q", text, err, want)
		}
	}
}
