//go:build box

package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

const (
	busctlCall = "busctl --timeout=60 call io.github.NginxHotswap1 /io/github/NginxHotswap1/instance/nginx io.github.NginxHotswap1.Instance "
	busctlGet  = "busctl get-property io.github.NginxHotswap1 /io/github/NginxHotswap1/instance/nginx io.github.NginxHotswap1.Instance "
	asNobody   = "runuser -u nobody -- "
)

// busRule lets one user upgrade one instance.
const busRule = `polkit.addRule(function(action, subject) {
    if (action.id == "io.github.NginxHotswap1.upgrade" && action.lookup("instance") == "nginx" && subject.user == "nobody")
        return polkit.Result.YES;
});
`

// shows runs a script, whatever comes of it, and checks what it says.
func (m *machine) shows(script string, want ...string) {
	m.t.Helper()
	out := m.sh("{ " + script + "; } 2>&1 || echo failed: $?")
	for _, text := range want {
		if !strings.Contains(out, text) {
			m.t.Errorf("%s: %q is not in it\n%s", script, text, out)
		}
	}
}

// Everything over the system bus, with the tools that are there anyway.
func TestBoxSystemBus(t *testing.T) {
	m := boot(t, quickConfig)
	t.Run("read", func(t *testing.T) { m.in(t).readOverBus() })
	t.Run("log level", func(t *testing.T) { m.in(t).logLevelOverBus() })
	t.Run("rights", func(t *testing.T) { m.in(t).rightsOverBus() })
	t.Run("upgrade", func(t *testing.T) { m.in(t).upgradeOverBus() })
	t.Run("reload while systemd is out of reach", func(t *testing.T) { m.in(t).reloadedAlone() })
	t.Run("another bus", func(t *testing.T) { m.in(t).busRestarted() })
	t.Run("no daemon", func(t *testing.T) { m.in(t).rightsWithoutDaemon() })
}

// readOverBus comes right after the start: the objects are there when systemd
// says that the daemon is.
func (m *machine) readOverBus() {
	for _, user := range []string{"", asNobody} {
		m.shows(user+"busctl tree io.github.NginxHotswap1", "/io/github/NginxHotswap1/instance/nginx", "/org/freedesktop/LogControl1")
		m.shows(user+"busctl introspect io.github.NginxHotswap1 /io/github/NginxHotswap1/instance/nginx", ".Upgrade", ".Finished", ".MainPID", ".Cycle")
		m.shows(user+busctlGet+"MainPID Phase", fmt.Sprintf("u %d\ns \"idle\"", m.mainPID()))
		m.shows(user+"busctl call io.github.NginxHotswap1 /io/github/NginxHotswap1 io.github.NginxHotswap1.Manager ListInstances",
			`a(sso) 1 "nginx" "" "/io/github/NginxHotswap1/instance/nginx"`)
	}
	m.shows(strings.ReplaceAll(busctlCall, "instance/nginx", "instance/other")+"Hold", "there is no object", "failed: 1")
	m.shows(strings.ReplaceAll(busctlCall, "instance/nginx", "instance/ngin_78")+"Hold", "there is no object", "failed: 1")
	m.shows(busctlCall+"Restart", "has no method", "failed: 1")
	m.shows(busctlCall+"Upgrade s now", "takes the arguments a{sv}, not the arguments s", "failed: 1")
	m.shows(busctlCall+"Rollback 'a{sv}' 1 dry-run b true", `option "dry-run" is unknown`, "failed: 1")
	m.shows(busctlCall+"Upgrade 'a{sv}' 1 wait s forever", "wait is \"forever\"", "failed: 1")
}

func (m *machine) logLevelOverBus() {
	m.shows("systemctl service-log-level nginx-hotswap; systemctl service-log-target nginx-hotswap", "info\njournal")
	m.shows("systemctl service-log-level nginx-hotswap debug && systemctl service-log-level nginx-hotswap", "debug")
	m.shows(asNobody+"systemctl service-log-level nginx-hotswap err", "failed: 1")
	m.shows("systemctl service-log-level nginx-hotswap info && systemctl service-log-level nginx-hotswap", "info")
	m.shows("systemctl service-log-target nginx-hotswap console", "read-only", "failed: 1")
}

func (m *machine) rightsOverBus() {
	m.shows(asNobody+busctlCall+"Hold", "failed: 1")
	m.shows(asNobody+busctlCall+"Upgrade 'a{sv}' 0", "failed: 1")
	m.shows(asNobody+"busctl call io.github.NginxHotswap1 /io/github/NginxHotswap1 io.github.NginxHotswap1.Manager Reload", "failed: 1")
	m.shows(asNobody+"busctl --allow-interactive-authorization=no --timeout=60 call io.github.NginxHotswap1 /io/github/NginxHotswap1 "+
		"io.github.NginxHotswap1.Manager Reload", "failed: 1")
	m.shows(asNobody+"nginx-hotswap hold nginx", "only root may speak to the daemon", "run it with sudo, or ask over the system bus", "failed: 1")
	if m.status().Held {
		m.t.Error("somebody without rights holds the instance")
	}
	m.shows(busctlCall+"Hold", `isss 0 "held: nothing is upgraded until`)
	if !m.status().Held {
		m.t.Error("root over the bus does not hold the instance")
	}
	m.shows(busctlGet+"Held", "b true")
	m.sh("nginx-hotswap unhold nginx")
	m.shows(busctlGet+"Held", "b false")
	m.shows("busctl call io.github.NginxHotswap1 /io/github/NginxHotswap1 io.github.NginxHotswap1.Manager Reload && echo reloaded", "reloaded")
}

// rightsWithoutDaemon is for those who are told nothing by a bus.
func (m *machine) rightsWithoutDaemon() {
	m.sh("systemctl stop nginx-hotswap")
	m.shows(asNobody+"nginx-hotswap upgrade", "cannot lock instance nginx", "permission denied; run it with sudo", "failed: 1")
	m.shows(asNobody+"nginx-hotswap status", "this is what processes and files say to others than root")
}

// upgradeOverBus has a user with a rule upgrade, while root listens. Where there
// is no polkit, as in some releases' machines, it is root who does.
func (m *machine) upgradeOverBus() {
	m.sh("nginx-hotswap hold nginx; systemd-run -q --unit=listener -p StandardOutput=file:/run/heard busctl monitor io.github.NginxHotswap1 " +
		"--match=type=signal,sender=io.github.NginxHotswap1")
	m.eventually("the listener listens", func() bool { return m.sh("grep -c Monitoring /run/heard || true") != "0" })
	before := m.status()
	m.install(nextVersion(before.Running.Version, 3))
	m.shows(asNobody+busctlCall+"Upgrade 'a{sv}' 2 force b true wait s done", "failed: 1")
	user := asNobody
	if m.sh("ls -d /etc/polkit-1 2>/dev/null || true") == "" {
		user = ""
		if os.Getenv("CI") != "" && os.Getenv("NGINX_HOTSWAP_TEST_RELEASE") == "" {
			m.t.Error("polkitd is not installed: rules are not tested")
		}
	} else {
		m.addRule()
	}
	m.shows(user+busctlCall+"Upgrade 'a{sv}' 2 force b true wait s done", `isss 0 "upgraded `)
	m.shows(asNobody+busctlCall+"Unhold", "failed: 1") // the rule is for another action
	after := m.cycleAfter(lastID(before))
	if after.Last.Result != supervisor.Upgraded || after.MainPID != m.mainPID() {
		m.t.Errorf("got %+v", after.Last)
	}
	m.shows(busctlCall+"Unhold", "isss 0")
	for _, text := range []string{"Member=Finished", "Member=PropertiesChanged", "STRING \"" + after.Last.ID, `STRING "soaking"`} {
		m.eventually(text+" is heard", func() bool { return strings.Contains(m.sh("cat /run/heard"), text) })
	}
	m.consistent()
}

// addRule returns when polkit has read it.
func (m *machine) addRule() {
	m.t.Helper()
	m.write("/etc/polkit-1/rules.d/50-test.rules", busRule)
	m.eventually("the rule is read", func() bool {
		return strings.HasPrefix(m.sh("{ "+asNobody+busctlCall+"Upgrade 'a{sv}' 1 dry-run b true; } 2>&1 || true"), "isss 0")
	})
}

// reloadedAlone takes away the sockets of systemd and of the bus while the
// configuration is read: the reload fails, and the daemon is not deaf afterwards.
func (m *machine) reloadedAlone() {
	before := m.status()
	m.shows("mv /run/systemd/private /run/systemd/elsewhere; mv /run/dbus/system_bus_socket /run/dbus/elsewhere; nginx-hotswap reload",
		"cannot reach systemd", "failed: 1")
	m.sh("mv /run/systemd/elsewhere /run/systemd/private; mv /run/dbus/elsewhere /run/dbus/system_bus_socket")
	m.sh("journalctl --sync; journalctl -u nginx-hotswap | grep 'units cannot be looked for; reload again'")
	m.install(nextVersion(before.Running.Version, 5))
	if s := m.cycleAfter(lastID(before)); s.Last.Result != supervisor.Upgraded {
		m.t.Errorf("got %+v", s.Last)
	}
	m.write("/etc/nginx-hotswap/nginx-hotswap.conf.d/all.conf", "[Supervisor]\nUnits=nginx*.service\n")
	m.shows("nginx-hotswap reload && busctl call io.github.NginxHotswap1 /io/github/NginxHotswap1 io.github.NginxHotswap1.Manager ListInstances",
		`a(sso) 1 "nginx"`) // and not our own units
	m.consistent()
}

// busRestarted takes the bus away, with and without notice: nothing happens but
// that the objects come back.
func (m *machine) busRestarted() {
	pid := m.sh("systemctl show -p MainPID --value nginx-hotswap")
	for _, how := range []string{"systemctl restart dbus", "kill -9 $(systemctl show -p MainPID --value dbus); systemctl start dbus"} {
		m.sh(how)
		m.eventually("the objects are back after "+how, func() bool {
			return strings.Contains(m.sh("busctl list --acquired --no-legend || true"), "io.github.NginxHotswap1") &&
				m.sh(busctlGet+"Phase || true") == `s "idle"`
		})
	}
	if got := m.sh("systemctl show -p MainPID --value nginx-hotswap"); got != pid {
		m.t.Errorf("the daemon was %s and is %s", pid, got)
	}
	m.shows("nginx-hotswap hold nginx && "+busctlGet+"Held && nginx-hotswap unhold nginx", "b true")
	m.shows("systemctl stop nginx-hotswap; "+busctlGet+"Phase", "s \"")
	// The name is there before the daemon is ready.
	m.eventually("the call has started the daemon", func() bool { return m.sh("systemctl is-active nginx-hotswap || true") == "active" })
	m.shows("systemctl disable --now nginx-hotswap; "+busctlGet+"Phase || systemctl is-active nginx-hotswap", "inactive")
}
