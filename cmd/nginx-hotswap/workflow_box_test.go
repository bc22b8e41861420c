//go:build box

package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// workflowConfig leaves it to reloads to upgrade.
const workflowConfig = "[Supervisor]\nAutomatic=no\n[Upgrade]\nSoakSec=700ms\nKeepOldSec=3s\nStartTimeoutSec=5s\nDismissTimeoutSec=2s\n"

// What administrators do by systemctl, in one machine under load.
func TestBoxSystemctl(t *testing.T) {
	m := boot(t, workflowConfig)
	dropIn, err := os.ReadFile("../../contrib/systemd/nginx.service.d/reload-upgrades.conf")
	if err != nil {
		t.Fatal(err)
	}
	m.write("/etc/systemd/system/nginx.service.d/reload-upgrades.conf", string(dropIn))
	m.sh("systemctl daemon-reload")
	w := &workflow{m, new(int)}
	load := m.startLoad()
	for _, step := range []struct {
		name string
		do   func(*workflow)
	}{
		{"reload with nothing new", (*workflow).plain},
		{"reload with a newer binary", (*workflow).newer},
		{"reload twice at once", (*workflow).twice},
		{"reload in mid-cycle", (*workflow).during},
		{"reload with a bad build", (*workflow).bad},
		{"reload with an unfit build", (*workflow).unfit},
		{"reload while held", (*workflow).held},
		{"reload with a wrong configuration", (*workflow).wrong},
		{"reload without the daemon", (*workflow).alone},
		{"reload of nginx-hotswap", (*workflow).ours},
	} {
		t.Run(step.name, func(t *testing.T) { step.do(w.in(t)) })
	}
	load.lossless()
}

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

// oneMaster waits for workers to have titles of their own: until then they look as
// if they were masters.
func (w *workflow) oneMaster() {
	w.t.Helper()
	w.eventually("one master is left", func() bool {
		return w.sh("grep -alE '^nginx: master process' /proc/[0-9]*/cmdline | wc -l") == "1"
	})
	w.consistent()
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

func (w *workflow) plain() {
	before := w.status()
	w.reload()
	w.says(fmt.Sprintf("HUP sent to master %d", before.MainPID))
	if after := w.status(); after.MainPID != before.MainPID || after.Last != nil {
		w.t.Errorf("before %+v, after %+v", before, after)
	}
	w.oneMaster()
}

func (w *workflow) newer() {
	before := w.status()
	version := nextVersion(before.Running.Version, 0)
	w.install(version)
	w.reload()
	w.says("upgraded " + before.Running.Version + " to " + version)
	if line := w.line("nginx"); !strings.Contains(line, version) {
		w.t.Errorf("systemctl status nginx: %s", line)
	}
	w.eventually("systemctl status nginx-hotswap tells of the cycle", func() bool {
		return w.line("nginx-hotswap") == "nginx: "+before.Running.Version+" to "+version+", draining"
	})
	after := w.idle()
	if after.Last == nil || after.Last.Result != supervisor.Upgraded || after.Running.Version != version || after.MainPID != w.mainPID() {
		w.t.Errorf("%+v", after)
	}
	if line := w.line("nginx"); !strings.Contains(line, "nginx "+version+" since 20") || !strings.Contains(line, "upgraded from") {
		w.t.Errorf("systemctl status nginx: %s", line)
	}
	w.eventually("systemctl status nginx-hotswap tells what runs", func() bool { return w.line("nginx-hotswap") == "watching nginx "+version })
	w.oneGeneration(after)
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
	w.oneMaster()
}

func (w *workflow) twice() {
	before := w.status()
	w.install(nextVersion(before.Running.Version, 1))
	header := w.mark()
	w.sh("systemctl reload nginx & systemctl reload nginx; wait $!")
	w.loaded(header)
	if after := w.idle(); after.Last.ID == lastID(before) || after.Last.Result != supervisor.Upgraded {
		w.t.Errorf("%+v", after.Last)
	}
	w.oneMaster()
}

func (w *workflow) during() {
	before := w.status()
	w.install(nextVersion(before.Running.Version, 2))
	w.sh("nginx-hotswap upgrade nginx")
	if s := w.status(); s.Phase != supervisor.Draining {
		w.t.Fatalf("it is in %s", s.Phase)
	}
	w.reload()
	w.says("a cycle runs", "HUP sent to master "+w.sh("cat /run/nginx.pid"))
	if after := w.idle(); after.Last.Result != supervisor.Upgraded {
		w.t.Errorf("%+v", after.Last)
	}
	w.oneMaster()
}

func (w *workflow) bad() {
	before := w.idle()
	badnginx.InBox(w.t, w.Box, nginxBinary, badnginx.CrashAtStart, '0')
	w.reload()
	w.says("rolled back", "SIGABRT", fmt.Sprintf("HUP sent to master %d", before.MainPID))
	after := w.cycleAfter(lastID(before))
	if after.Last.Result != supervisor.RolledBack || after.MainPID != before.MainPID {
		w.t.Errorf("before %+v, after %+v", before, after)
	}
	w.eventually("the alert is there", func() bool { return strings.Contains(w.sh("systemctl --failed --no-legend --plain"), alertUnit) })
	// The first try was with a configuration that had changed, too, so the build
	// was not to blame.
	w.sh("systemctl reload nginx")
	condemned := w.cycleAfter(after.Last.ID)
	w.eventually("the kept build stands in", func() bool { return w.sha256(nginxBinary) == before.Running.SHA256 })
	w.reload()
	if again := w.idle(); again.Last.ID != condemned.Last.ID {
		w.t.Errorf("a condemned build was tried again: %+v", again.Last)
	}
	w.oneMaster()
}

func (w *workflow) unfit() {
	before := w.idle()
	fit := w.unfitBinary()
	w.reload()
	w.says("ELF", fmt.Sprintf("HUP sent to master %d", before.MainPID))
	fit()
	w.oneMaster()
}

// unfitBinary puts a file in place that is no program, until the function that it
// returns is called.
func (w *workflow) unfitBinary() (fit func()) {
	w.sh("cp -p /usr/sbin/nginx /root/nginx.fit; printf 'no program' >/usr/sbin/nginx.new; chmod 755 /usr/sbin/nginx.new; mv /usr/sbin/nginx.new /usr/sbin/nginx")
	return func() { w.sh("mv /root/nginx.fit /usr/sbin/nginx") }
}

func (w *workflow) held() {
	before := w.idle()
	w.sh("nginx-hotswap hold nginx")
	w.install(nextVersion(before.Running.Version, 3))
	w.reload()
	w.says("held", fmt.Sprintf("HUP sent to master %d", before.MainPID))
	w.sh("nginx-hotswap unhold nginx")
	w.reload()
	if after := w.idle(); after.Last.Result != supervisor.Upgraded || after.Last.ID == lastID(before) {
		w.t.Errorf("%+v", after.Last)
	}
}

func (w *workflow) wrong() {
	w.write("/etc/nginx/conf.d/mark.conf", "no_such_directive;\n")
	w.exits(1, "systemctl reload nginx")
	w.says("the configuration is not loaded", "no_such_directive")
	w.mark()
	w.oneMaster()
}

func (w *workflow) alone() {
	before := w.idle()
	w.sh("systemctl stop nginx-hotswap")
	w.install(nextVersion(before.Running.Version, 4))
	w.reload()
	w.says("the daemon is not running", fmt.Sprintf("HUP sent to master %d", before.MainPID))
	w.sh("systemctl start nginx-hotswap")
	w.eventually("the daemon has attached", func() bool { return w.status().MainPID == w.mainPID() })
}

// ours: `systemctl reload nginx-hotswap` has a real exit status.
func (w *workflow) ours() {
	w.eventually("something waits", func() bool { return w.status().Pending })
	before := w.status()
	w.sh("systemctl reload nginx-hotswap")
	after := w.idle()
	if after.Last.Result != supervisor.Upgraded || after.MainPID == before.MainPID {
		w.t.Errorf("with a good build: %+v", after)
	}
	badnginx.InBox(w.t, w.Box, nginxBinary, badnginx.CrashAtStart, '6')
	w.exits(1, "systemctl reload nginx-hotswap")
	w.cycleAfter(lastID(after))
	if status := w.sh("systemctl status nginx-hotswap --no-pager || true"); !strings.Contains(status, "ExecReload=/usr/sbin/nginx-hotswap reload (code=exited, status=4)") {
		w.t.Errorf("with a bad build:\n%s", status)
	}
	fit := w.unfitBinary()
	w.exits(1, "systemctl reload nginx-hotswap")
	if status := w.sh("systemctl status nginx-hotswap --no-pager || true"); !strings.Contains(status, "(code=exited, status=3)") {
		w.t.Errorf("with a refused file:\n%s", status)
	}
	w.write("/etc/nginx-hotswap/nginx-hotswap.conf.d/wrong.conf", "[Upgrade]\nSoakSec=soon\n")
	w.exits(1, "systemctl reload nginx-hotswap")
	w.sh("rm /etc/nginx-hotswap/nginx-hotswap.conf.d/wrong.conf")
	fit()
	w.install(nextVersion(after.Running.Version, 5))
	w.sh("systemctl reload nginx-hotswap")
	w.idle()
	w.oneMaster()
}
