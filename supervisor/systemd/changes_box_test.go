//go:build box

package systemd

import (
	"context"
	"encoding/json"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// expect waits for a unit's name to come.
func expect(t *testing.T, feed <-chan string, unit, why string) {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		select {
		case u := <-feed:
			if u == unit {
				return
			}
		case <-limit:
			t.Fatalf("%s: %s was not named", why, unit)
		}
	}
}

// quiet reads until nothing comes for a while.
func quiet(feed <-chan string) {
	for {
		select {
		case <-feed:
		case <-time.After(time.Second):
			return
		}
	}
}

func TestInBoxChanges(t *testing.T) {
	inBox(t)
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	feed, err := Changes(ctx, []string{nginxUnit, "nginx@*.service"})
	if err != nil {
		t.Fatal(err)
	}
	quiet(feed)
	sh(t, "systemctl reload nginx")
	expect(t, feed, nginxUnit, "reload")
	quiet(feed)
	sh(t, "systemctl daemon-reload")
	expect(t, feed, nginxUnit, "daemon-reload")
	quiet(feed)
	sh(t, "systemd-run --unit=nginx@blue.service --collect sleep 1")
	expect(t, feed, "nginx@blue.service", "a new instance")
	quiet(feed)
	sh(t, "systemctl daemon-reexec")
	expect(t, feed, nginxUnit, "daemon-reexec")
	quiet(feed)
	sh(t, "systemctl reload nginx")
	expect(t, feed, nginxUnit, "reload after daemon-reexec")
	quiet(feed)
	sh(t, "systemctl stop dbus.socket dbus.service 2>/dev/null; sleep 1")
	expect(t, feed, nginxUnit, "loss of the bus")
	quiet(feed)
	sh(t, "systemctl reload nginx")
	expect(t, feed, nginxUnit, "reload without a bus")
	sh(t, "systemctl start dbus.socket dbus.service")
	cancel()
	for range feed {
	}
	eventually(t, func() string {
		if n := runtime.NumGoroutine(); n > before {
			return strconv.Itoa(n-before) + " goroutines leak"
		}
		return ""
	})
}

// The journal gets every field, and shows the entry with nginx's own.
func TestInBoxJournal(t *testing.T) {
	inBox(t)
	pid := strconv.Itoa(mainPID(t))
	sh(t, "systemd-run --quiet --wait --collect -E "+partVariable+"="+partLogger+" -E "+pidVariable+"="+pid+" "+binaryInBox)
	const query = "-o json --all -n 1 MESSAGE_ID=0123456789abcdef0123456789abcdef"
	for _, cmd := range []string{"journalctl " + query, "journalctl -o json --all -n 1 -u nginx -t nginx-hotswap"} {
		out := ""
		eventually(t, func() string {
			if out = sh(t, "journalctl --sync 2>/dev/null || :; "+cmd); out == "" || strings.Contains(out, "No entries") {
				return cmd + " shows nothing"
			}
			return ""
		})
		var e map[string]any
		if err := json.Unmarshal([]byte(out), &e); err != nil {
			t.Fatalf("%s: %v", cmd, err)
		}
		for name, want := range map[string]string{
			"MESSAGE": "milestone\nof two lines", "PRIORITY": "5", "SYSLOG_IDENTIFIER": "nginx-hotswap", "OBJECT_PID": pid,
			"OBJECT_SYSTEMD_UNIT": nginxUnit, "NGINX_HOTSWAP_DURATION_USEC": "21000", "NGINX_HOTSWAP_OLD_PID": "7",
		} {
			got := e[name]
			// journald 247 adds an OBJECT_PID of its own beside ours.
			if twice, ok := got.([]any); ok && len(twice) > 0 {
				got = twice[0]
			}
			if got != want {
				t.Errorf("%s: %s is %v, want %q", cmd, name, got, want)
			}
		}
	}
	large := sh(t, "journalctl -o json --all -t nginx-hotswap MESSAGE=large | wc -c")
	if n, _ := strconv.Atoi(large); n < 1<<20 {
		t.Errorf("a large entry has %s bytes", large)
	}
}
