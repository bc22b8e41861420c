//go:build box

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// workflow counts the reloads, each with a configuration of its own.
type workflow struct {
	*machine
	reloads *int
}

func (w *workflow) in(t *testing.T) *workflow {
	return &workflow{w.machine.in(t), w.reloads}
}

// mark changes the configuration and returns the header that tells that it is
// loaded.
func (w *workflow) mark() string {
	w.t.Helper()
	*w.reloads++
	w.write("/etc/nginx/conf.d/mark.conf", fmt.Sprintf("add_header X-Mark %d;\n", *w.reloads))
	return fmt.Sprintf("X-Mark: %d", *w.reloads)
}

// reload reloads nginx, which has to succeed and to load the configuration.
func (w *workflow) reload() {
	w.t.Helper()
	header := w.mark()
	w.sh("systemctl reload nginx")
	if pid := w.sh("cat /run/nginx.pid"); w.sh("systemctl show nginx -p MainPID --value") != pid {
		w.t.Errorf("systemctl status nginx does not show the master %s that serves", pid)
	}
	w.loaded(header)
}

func (w *workflow) loaded(header string) {
	w.t.Helper()
	w.eventually("the configuration is loaded", func() bool { return w.answers(header) })
}

// said is what the last reload wrote to nginx's journal.
func (w *workflow) said() string {
	w.t.Helper()
	return w.sh("journalctl --sync; journalctl -u nginx -o cat --no-pager _TRANSPORT=stdout SYSLOG_IDENTIFIER=nginx-hotswap | tail -2")
}

func (w *workflow) says(parts ...string) {
	w.t.Helper()
	text := w.said()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			w.t.Errorf("the reload does not say %q:\n%s", part, text)
		}
	}
}

// idle waits for the end of a cycle.
func (w *workflow) idle() supervisor.Status {
	w.t.Helper()
	var s supervisor.Status
	w.eventually("it is idle", func() bool {
		s = w.status()
		return s.Phase == supervisor.Idle && s.MainPID != 0
	})
	return s
}

// line is the one line that systemctl status has for a unit.
func (w *workflow) line(unit string) string {
	w.t.Helper()
	return w.sh("systemctl show -p StatusText --value " + unit)
}

// unfitBinary puts a file in place that is no program, until the function that it
// returns is called.
func (w *workflow) unfitBinary() (fit func()) {
	w.sh("cp -p /usr/sbin/nginx /root/nginx.fit; printf 'no program' >/usr/sbin/nginx.new; chmod 755 /usr/sbin/nginx.new; mv /usr/sbin/nginx.new /usr/sbin/nginx")
	return func() { w.sh("mv /root/nginx.fit /usr/sbin/nginx") }
}

// oneGeneration checks that nobody has sent HUP beyond the start of the successor.
func (w *workflow) oneGeneration(s supervisor.Status) {
	w.t.Helper()
	if rec := w.record(s.Last.ID); rec.Result == supervisor.Upgraded && rec.Origin != supervisor.OriginCLI {
		w.t.Errorf("the cycle is by %s", rec.Origin)
	}
	for _, entry := range w.entries("nginx-hotswap") {
		if entry["MESSAGE_ID"] == supervisor.EventReload.ID && entry["NGINX_HOTSWAP_CYCLE"] == s.Last.ID {
			w.t.Errorf("its own reload was taken for another one: %s", entry["MESSAGE"])
		}
	}
	w.consistent()
}
