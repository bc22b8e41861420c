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

// workflowConfig leaves it to reloads to upgrade. What is changed within a second
// after a load is not seen as a change: KeepOldSec= lies between them.
const workflowConfig = "[Supervisor]\nAutomatic=no\n[Upgrade]\nSoakSec=700ms\nKeepOldSec=2s\nDismissTimeoutSec=2s\n"

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
		{"reload in mid-cycle", (*workflow).during},
		{"reload twice at once", (*workflow).twice},
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

func (w *workflow) plain() {
	before := w.status()
	w.reload()
	w.says(fmt.Sprintf("HUP sent to master %d", before.MainPID))
	if after := w.status(); after.MainPID != before.MainPID || after.Last != nil {
		w.t.Errorf("before %+v, after %+v", before, after)
	}
	w.consistent()
}

func (w *workflow) newer() {
	w.configure(workflowConfig + "Confirm=manual\n") // until during: or it is over before anybody looks
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
	w.exits(supervisor.ExitOK, "nginx-hotswap confirm")
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

func (w *workflow) twice() {
	before := w.status()
	w.install(nextVersion(before.Running.Version, 1))
	header := w.mark()
	w.sh("systemctl reload nginx & systemctl reload nginx; wait $!")
	w.loaded(header)
	if after := w.idle(); after.Last.ID == lastID(before) || after.Last.Result != supervisor.Upgraded {
		w.t.Errorf("%+v", after.Last)
	}
	w.consistent()
}

func (w *workflow) during() {
	before := w.status()
	w.install(nextVersion(before.Running.Version, 2))
	w.exits(supervisor.ExitOK, "nginx-hotswap upgrade nginx")
	w.reaches(supervisor.Draining)
	w.reload()
	w.says("a cycle runs", "HUP sent to master "+w.sh("cat /run/nginx.pid"))
	w.exits(supervisor.ExitOK, "nginx-hotswap confirm")
	if after := w.idle(); after.Last.Result != supervisor.Upgraded {
		w.t.Errorf("%+v", after.Last)
	}
	w.consistent()
	w.configure(workflowConfig)
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
	w.consistent()
}

func (w *workflow) unfit() {
	before := w.idle()
	fit := w.unfitBinary()
	w.reload()
	w.says("ELF", fmt.Sprintf("HUP sent to master %d", before.MainPID))
	fit()
	w.consistent()
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
	w.consistent()
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
	w.consistent()
}
