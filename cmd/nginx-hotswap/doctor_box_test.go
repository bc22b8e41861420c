//go:build box

package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// doctor returns the findings and the exit status.
func (m *machine) doctor() (found []supervisor.Finding, status string) {
	m.t.Helper()
	out := m.sh("status=0; nginx-hotswap doctor --json || status=$?; echo status=$status")
	text, status, _ := strings.Cut(out, "status=")
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		m.t.Fatalf("%v: %s", err, out)
	}
	return found, status
}

// finds fails unless a check of an instance has this level and these words. It
// returns the finding, whose remedy is to be tried.
func (m *machine) finds(instance, check string, level supervisor.Level, words ...string) supervisor.Finding {
	m.t.Helper()
	found, _ := m.doctor()
	i := slices.IndexFunc(found, func(f supervisor.Finding) bool { return f.Instance == instance && f.Check == check })
	if i < 0 {
		m.t.Fatalf("no %s of %q: %+v", check, instance, found)
	}
	f := found[i]
	if f.Level != level {
		m.t.Errorf("got %+v, want %s", f, level)
	}
	for _, w := range words {
		if !strings.Contains(f.Text+"\n"+f.Remedy, w) {
			m.t.Errorf("%+v lacks %q", f, w)
		}
	}
	return f
}

// paste puts the drop-in of a remedy in, as `systemctl edit` would.
func (m *machine) paste(unit string, f supervisor.Finding) {
	m.t.Helper()
	at := strings.Index(f.Remedy, "[Service]\n")
	if at < 0 || !strings.Contains(f.Remedy, "`systemctl edit "+unit+"`") {
		m.t.Fatalf("no drop-in for %s in %+v", unit, f)
	}
	m.write("/etc/systemd/system/"+unit+".d/"+f.Check+".conf", f.Remedy[at:]+"\n")
	m.sh("systemctl daemon-reload")
}

// Each finding about units and the host is provoked, and its remedy works.
func TestBoxDoctor(t *testing.T) {
	t.Parallel()
	m := &machine{box.Start(t, box.Options{Base: box.Base(t)}), t}
	m.Box.Install(t)
	m.finds("", "daemon", supervisor.LevelWarning, "does not run")
	m.sh(m.finds("", "daemon", supervisor.LevelWarning).Remedy + " 2>&1")
	m.ordinaryHost()
	m.withoutDropIn()
	m.otherPIDFile()
	m.needrestartWithoutHook()
	m.reuseportListener()
	m.hiddenPaths()
	m.foregroundUnit()
}

// ordinaryHost is Debian as it is, with all that our package brings: there is
// nothing to be done.
func (m *machine) ordinaryHost() {
	m.t.Helper()
	m.eventually("the daemon watches", func() bool {
		return strings.Contains(m.sh("nginx-hotswap doctor || true"), "the daemon watches")
	})
	// From forky on nginx-common leaves nginx running.
	if m.sh("grep -l 'deb-systemd-invoke.*nginx.service' "+dpkgInfo+"/nginx-common.postinst || true") != "" {
		m.finds("", "maintainer-scripts", supervisor.LevelWarning, "nginx-common restarts nginx.service", generatorHook)
	}
	for from, to := range map[string]string{"generator": generatorHook, "init-functions": initHook} {
		m.sh("mkdir -p $(dirname " + to + ")")
		if err := m.CopyIn("../../packaging/hooks/"+from, to); err != nil {
			m.t.Fatal(err)
		}
	}
	m.sh("chmod 755 " + generatorHook + "; echo '/usr/sbin/nginx nginx-hotswap/noawait' >>" + dpkgTriggers)
	m.closedGap()
	m.t.Log("\n" + m.sh("nginx-hotswap doctor"))
	found, status := m.doctor()
	if status != "0" {
		m.t.Errorf("exit status %s", status)
	}
	for _, f := range found {
		if f.Level != supervisor.LevelOK && !(f.Check == "keep-alive" && f.Level == supervisor.LevelNote) {
			m.t.Errorf("an ordinary host has %+v", f)
		}
	}
}

// closedGap is for releases whose nginx can close the gap of idle connections.
func (m *machine) closedGap() {
	m.t.Helper()
	found, _ := m.doctor()
	if !slices.ContainsFunc(found, func(f supervisor.Finding) bool { return f.Check == "keep-alive" && f.Level == supervisor.LevelWarning }) {
		return
	}
	m.write("/etc/nginx/conf.d/keepalive.conf", "keepalive_min_timeout 10s;\n")
	m.sh("systemctl reload nginx")
	m.finds("nginx", "keep-alive", supervisor.LevelOK)
}

func (m *machine) withoutDropIn() {
	m.t.Helper()
	m.sh("rm /usr/lib/systemd/system/nginx.service.d/10-nginx-hotswap.conf; systemctl daemon-reload")
	m.paste("nginx.service", m.finds("nginx", "notify-access", supervisor.LevelWarning, "NotifyAccess=none"))
	m.finds("nginx", "notify-access", supervisor.LevelOK, "NotifyAccess=main")
}

func (m *machine) otherPIDFile() {
	m.t.Helper()
	m.write("/etc/systemd/system/nginx.service.d/other.conf", "[Service]\nPIDFile=/run/other.pid\n")
	m.sh("systemctl daemon-reload")
	f := m.finds("nginx", "pid-file", supervisor.LevelFailure, "PIDFile=/run/other.pid", "/run/nginx.pid")
	if _, status := m.doctor(); status != "1" {
		m.t.Errorf("exit status %s", status)
	}
	m.paste("nginx.service", f)
	m.finds("nginx", "pid-file", supervisor.LevelOK)
	m.sh("rm /etc/systemd/system/nginx.service.d/other.conf /etc/systemd/system/nginx.service.d/pid-file.conf; systemctl daemon-reload")
}

func (m *machine) needrestartWithoutHook() {
	m.t.Helper()
	m.sh("touch /usr/sbin/needrestart")
	m.sh(m.finds("", "needrestart", supervisor.LevelWarning, "restarts nginx.service").Remedy)
	m.finds("", "needrestart", supervisor.LevelOK)
	m.sh("/etc/needrestart/restart.d/nginx.service")
}

func (m *machine) reuseportListener() {
	m.t.Helper()
	m.write("/etc/nginx/conf.d/reuseport.conf", "server { listen 127.0.0.1:8088 reuseport; }\n")
	m.sh("systemctl reload nginx; sysctl -q -w net.ipv4.tcp_migrate_req=0")
	m.sh(m.finds("nginx", "reuseport", supervisor.LevelWarning, "`listen 127.0.0.1:8088 reuseport`").Remedy)
	m.finds("nginx", "reuseport", supervisor.LevelOK, "is on")
}

// hiddenPaths has an instance, and a directory for metrics, that the daemon's
// sandbox hides or protects.
func (m *machine) hiddenPaths() {
	m.t.Helper()
	m.sh("mkdir -p /tmp/site /srv/metrics")
	m.write("/tmp/site/nginx.conf", "pid /tmp/site/nginx.pid; error_log /tmp/site/error.log; events {}\nhttp { access_log off; server { listen 127.0.0.1:8089; } }\n")
	m.write("/etc/nginx-hotswap/instance.d/site.conf", "[Instance]\nPIDFile=/tmp/site/nginx.pid\n")
	m.write("/etc/nginx-hotswap/nginx-hotswap.conf.d/metrics.conf", "[Metrics]\nTextfileDirectory=/srv/metrics\n")
	m.sh("/usr/sbin/nginx -c /tmp/site/nginx.conf; systemctl restart nginx-hotswap")
	m.paste("nginx-hotswap.service", m.finds("site", "sandbox", supervisor.LevelFailure, "hides /tmp/site/nginx.pid"))
	m.paste("nginx-hotswap.service", m.finds("", "metrics", supervisor.LevelFailure, "/srv/metrics"))
	m.sh("systemctl restart nginx-hotswap")
	m.finds("site", "sandbox", supervisor.LevelOK)
	m.finds("", "metrics", supervisor.LevelOK)
	m.eventually("the daemon looks after it", func() bool {
		return slices.ContainsFunc(m.statuses(), func(s supervisor.Status) bool { return s.Name == "site" && s.Running.SHA256 != "" })
	})
	m.sh("kill -QUIT $(cat /tmp/site/nginx.pid); rm /etc/nginx-hotswap/instance.d/site.conf; systemctl restart nginx-hotswap")
}

// foregroundUnit is how many a container's and some sources' units are.
func (m *machine) foregroundUnit() {
	m.t.Helper()
	m.write("/etc/systemd/system/nginx.service.d/aaa.conf", "[Service]\nType=simple\nPIDFile=\nExecStartPre=\nExecStart=\nExecStart="+nginxBinary+" -g 'daemon off;'\n")
	m.sh("systemctl daemon-reload; systemctl restart nginx")
	m.eventually("nginx serves", func() bool {
		return !strings.Contains(m.sh("nginx-hotswap doctor nginx || true"), "not an nginx master")
	})
	m.finds("nginx", "unit-type", supervisor.LevelFailure, "Type=simple")
	m.paste("nginx.service", m.finds("nginx", "daemon-off", supervisor.LevelFailure, "ignores USR2"))
	m.sh("systemctl restart nginx")
	for _, check := range []string{"unit-type", "daemon-off", "pid-file"} {
		m.finds("nginx", check, supervisor.LevelOK)
	}
	if text := m.sh("nginx-hotswap doctor nginx"); !strings.Contains(text, "failures: 0, warnings: 0") {
		m.t.Errorf("after all remedies:\n%s", text)
	}
}
