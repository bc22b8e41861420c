package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// owner asks whether a new binary at that place would be trusted.
func (e *examination) owner(context.Context) Finding {
	trail, err := e.m.root.Walk(e.m.binary)
	if err != nil {
		return ofError(LevelFailure, e.m.unreadable(err))
	}
	trusted, err := e.s.trusted()
	if err != nil {
		return ofError(LevelFailure, err)
	}
	return orOK(checkTrail(trail, trusted), "nobody but root can put another binary at %s", e.m.binary)
}

// modules compares the signatures of dynamic modules with the binary's, both
// as they are on disk: that is what USR2 brings together.
func (e *examination) modules(context.Context) Finding {
	loaded := e.directives["load_module"]
	if len(loaded) == 0 {
		return okay("no dynamic module is loaded")
	}
	binary := e.m.signature(e.m.binary)
	if binary == unknownSignature {
		return note("%s is no build of nginx that modules could be compared with", e.m.binary)
	}
	for _, d := range loaded {
		if len(d.Words) != 2 {
			continue
		}
		path := e.m.files.Full(d.Words[1])
		if found := e.m.signature(path); found != binary {
			return Finding{Level: LevelFailure,
				Text: fmt.Sprintf("%s does not fit %s: its signature is %s, the binary's %s", path, e.m.binary, found, binary),
				Remedy: fmt.Sprintf("install the build of the module that belongs to the binary, or comment out its load_module in %s and run: %s",
					orGlobals(d.File), e.command("-t"))}
		}
	}
	return okay("%s with the binary's signature", plural(len(loaded), "dynamic module"))
}

// unknownSignature is what master.signature returns for a file that has none.
const unknownSignature = "unknown"

func orGlobals(file string) string {
	if file == "" {
		return "the -g option"
	}
	return file
}

// unixSockets asks whether unix listeners outlive an upgrade.
func (e *examination) unixSockets(context.Context) Finding {
	count := 0
	for _, l := range e.listeners {
		if l.Network != "unix" || !filepath.IsAbs(l.Address) {
			continue
		}
		count++
		info, err := e.m.root.Lstat(l.Address)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&os.ModeSocket == 0 {
			return Finding{Level: LevelFailure, Text: fmt.Sprintf("the socket %s of %s is gone from the file system", l, e.m.name()), Remedy: e.restart()}
		}
		if err != nil {
			return ofError(LevelFailure, err)
		}
	}
	if err := e.m.checkUnixListeners(); err != nil {
		return ofError(LevelFailure, err)
	}
	if count > 0 && e.m.build.OlderThan(1, 19, 1) {
		return note("nginx %s leaves its %s behind when it stops, and does not start then; from 1.19.1 it removes them", e.m.build.Number, plural(count, "unix socket"))
	}
	if count == 0 {
		return okay("there is no unix listener")
	}
	return okay("%s in place", plural(count, "unix socket"))
}

// restart is the command of last resort, for a person to decide on.
func (e *examination) restart() string {
	if e.m.unit != nil {
		return "systemctl restart " + shellWord(e.m.unit.Name())
	}
	return fmt.Sprintf("kill -QUIT %[1]d; while [ -e /proc/%[1]d ]; do sleep 0.1; done; %[2]s", e.m.PID, e.command())
}

// listensWith returns the first listen directive with a parameter.
func (e *examination) listensWith(parameter string) (nginx.Directive, bool) {
	listen := e.directives["listen"]
	i := slices.IndexFunc(listen, func(d nginx.Directive) bool { return len(d.Words) > 2 && slices.Contains(d.Words[2:], parameter) })
	if i < 0 {
		return nginx.Directive{}, false
	}
	return listen[i], true
}

const migrateRequests = "/proc/sys/net/ipv4/tcp_migrate_req"

// reuseport: each worker has a socket of its own, and with fewer workers, by a
// reload or by a successor, connections wait at one that is closed.
func (e *examination) reuseport(context.Context) Finding {
	d, ok := e.listensWith("reuseport")
	if !ok {
		return okay("no listener has reuseport")
	}
	const fewer = "with fewer workers, connections that wait at the socket of one that goes are lost"
	where := fmt.Sprintf("`%s` in %s", strings.Join(d.Words, " "), orGlobals(d.File))
	value, err := os.ReadFile(migrateRequests)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return note("%s: "+fewer+"; from Linux 5.14 on net.ipv4.tcp_migrate_req prevents that", where)
	case err != nil:
		return ofError(LevelFailure, err)
	case !sameNetwork(e.m.PID):
		return note("%s: "+fewer+", unless this prints 1: nsenter -t %d -n sysctl -n net.ipv4.tcp_migrate_req", where, e.m.PID)
	case strings.TrimSpace(string(value)) != "0":
		return okay("%s, and net.ipv4.tcp_migrate_req is on", where)
	}
	return Finding{Level: LevelWarning, Text: where + ": " + fewer + " while net.ipv4.tcp_migrate_req is 0",
		Remedy: sysctl("reuseport", "net.ipv4.tcp_migrate_req=1")}
}

// sysctl sets kernel parameters now and at each boot.
func sysctl(name string, settings ...string) string {
	file := "/etc/sysctl.d/60-nginx-hotswap-" + name + ".conf"
	return fmt.Sprintf("printf '%%s\\n' %s >%s && sysctl -p %s", strings.Join(settings, " "), file, file)
}

func sameNetwork(pid int) bool {
	ours, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return false
	}
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	return err == nil && ours == theirs
}

// quic: workers that drain go on to read the UDP socket that they share with the
// successor's.
func (e *examination) quic(context.Context) Finding {
	d, ok := e.listensWith("quic")
	if !ok {
		return okay("no listener has quic")
	}
	text := fmt.Sprintf("`%s` in %s: while old workers drain, some new QUIC connections fail", strings.Join(d.Words, " "), orGlobals(d.File))
	if limit := e.s.instance.Upgrade.DrainTimeoutSec; limit != Infinity {
		return note("%s, which DrainTimeoutSec=%s bounds", text, FormatTimeSpan(limit))
	}
	return Finding{Level: LevelWarning, Text: text,
		Remedy: `printf '[Upgrade]\nDrainTimeoutSec=1min\n' >` + ConfigFile + ".d/quic.conf && systemctl reload nginx-hotswap"}
}

// keepAlive: a request that a client sends on an idle connection at the very
// moment at which the old worker closes that is lost, as with any reload.
func (e *examination) keepAlive(context.Context) Finding {
	if set := e.directives["keepalive_min_timeout"]; len(set) > 0 {
		return okay("`%s` closes the gap of idle keep-alive connections", strings.Join(set[0].Words, " "))
	}
	const race = "idle keep-alive connections are closed at each upgrade as at each reload, and a request that is sent in that moment must be retried by the client"
	if e.m.build.Name != "nginx" && e.m.build.Name != "openresty" {
		return note("%s; keepalive_min_timeout, where this build has it, prevents that", race)
	}
	if e.m.build.OlderThan(1, 27, 4) {
		return note("%s; nginx 1.27.4 and newer have keepalive_min_timeout to prevent that", race)
	}
	return Finding{Level: LevelWarning, Text: race,
		Remedy: fmt.Sprintf("put `keepalive_min_timeout 10s;` into the http block of %s, then: %s && %s", e.m.files.Config, e.command("-t"), e.reload())}
}

func (e *examination) reload() string {
	if e.m.unit != nil {
		return "systemctl reload " + shellWord(e.m.unit.Name())
	}
	return fmt.Sprintf("kill -HUP %d", e.m.PID)
}

// shutdownTimeout tells what bounds the old workers.
func (e *examination) shutdownTimeout(context.Context) Finding {
	limit := e.s.instance.Upgrade.DrainTimeoutSec
	set := e.directives["worker_shutdown_timeout"]
	switch {
	case len(set) > 0:
		return note("`%s`: what old workers have not finished by then is cut, at an upgrade as at a reload", strings.Join(set[0].Words, " "))
	case limit != Infinity:
		return note("DrainTimeoutSec=%s: what old workers have not finished by then is cut", FormatTimeSpan(limit))
	}
	return okay("old workers may take as long as their clients do (no worker_shutdown_timeout, DrainTimeoutSec=infinity)")
}
