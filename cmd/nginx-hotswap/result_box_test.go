//go:build box

package main

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// A user's template, which notes what it is told.
const noteUnit = `[Service]
Type=oneshot
EnvironmentFile=/run/nginx-hotswap/result/%i.env
ExecStart=/bin/sh -c 'printenv NGINX_HOTSWAP_REASON >/srv/reason; printenv NGINX_HOTSWAP_INSTANCE NGINX_HOTSWAP_RESULT NGINX_HOTSWAP_NEW_VERSION >>/srv/results'
`

// The directory of Debian's node_exporter, whose parent belongs to another user.
const nodeExporter = "/var/lib/prometheus/node-exporter"

// What others are told: a unit of the user's own at the end of each cycle, and
// node_exporter.
func TestBoxResult(t *testing.T) {
	m := boot(t, quickConfig)
	m.write("/etc/systemd/system/note@.service", noteUnit)
	m.sh("install -d -o nobody " + filepath.Dir(nodeExporter) + "; install -d " + nodeExporter)
	m.write("/etc/nginx-hotswap/nginx-hotswap.conf.d/told.conf", "[Supervisor]\nOnResultUnit=note@.service\n[Metrics]\nTextfileDirectory="+nodeExporter+"\n")
	m.sh("systemctl daemon-reload; systemctl restart nginx-hotswap")
	m.eventually("the daemon has attached", func() bool { return m.status().MainPID == m.mainPID() })
	m.allowsTextfile()
	m.startsUnit()
	m.understandsResults()
	if left := m.sh("systemctl stop nginx-hotswap; ls -A " + nodeExporter); left != "" {
		t.Errorf("the metrics outlive the daemon: %s", left)
	}
}

// allowsTextfile follows the way that the log shows, for the unit's sandbox does
// not let the file be written.
func (m *machine) allowsTextfile() {
	m.t.Helper()
	const remedy = "ReadWritePaths=-" + nodeExporter
	warnings := func() int {
		return strings.Count(m.sh("journalctl --sync; journalctl -u nginx-hotswap --no-pager -o cat"), remedy)
	}
	m.eventually("the log names the remedy", func() bool { return warnings() > 0 })
	m.write("/etc/systemd/system/nginx-hotswap.service.d/metrics.conf", "[Service]\n"+remedy+"\n")
	m.sh("nginx-hotswap hold nginx; nginx-hotswap unhold nginx")
	if n := warnings(); n != 1 {
		m.t.Errorf("%d warnings", n)
	}
	m.sh("systemctl daemon-reload; systemctl restart nginx-hotswap")
	m.eventually("the metrics are there", func() bool { return m.metric("running_info") != "" })
	if got := m.sh("stat -c '%a %U' " + filepath.Join(nodeExporter, textfileName)); got != "644 root" {
		m.t.Errorf("the file is %s", got)
	}
}

// metric is the value of a metric of the one instance.
func (m *machine) metric(name string) string {
	m.t.Helper()
	return m.sh(fmt.Sprintf("sed -n 's/^nginx_hotswap_%s{name=\"nginx\".*} //p' %s || true", name, filepath.Join(nodeExporter, textfileName)))
}

// startsUnit has an upgrade and a refusal.
func (m *machine) startsUnit() {
	m.t.Helper()
	before := m.status()
	version := nextVersion(before.Running.Version, 0)
	m.install(version)
	upgraded := m.cycleAfter(lastID(before))
	m.eventually("the unit has noted it", func() bool { return m.notes() == "nginx upgraded "+version })
	m.eventually("the metrics say so", func() bool { return m.metric("last_cycle_success") == "1" })
	m.write("/etc/nginx/conf.d/broken.conf", "no_such_directive \"$x\";\n")
	m.install(nextVersion(before.Running.Version, 1))
	refused := m.cycleAfter(lastID(upgraded))
	if upgraded.Last.Result != supervisor.Upgraded || refused.Last.Result != supervisor.Rejected {
		m.t.Errorf("first %+v, then %+v", upgraded.Last, refused.Last)
	}
	m.eventually("the unit has noted that, too", func() bool {
		return strings.HasPrefix(m.notes(), "nginx upgraded "+version+" nginx rejected ")
	})
	if got := m.reason(); got != plainText(refused.Last.Reason) || !strings.Contains(got, "no_such_directive") {
		m.t.Errorf("the reason is %q, not %q", got, refused.Last.Reason)
	}
	m.eventually("a person is needed", func() bool { return m.metric("attention") == "1" && m.metric("last_cycle_success") == "0" })
}

func (m *machine) notes() string {
	m.t.Helper()
	return strings.Join(strings.Fields(m.sh("cat /srv/results 2>/dev/null || true")), " ")
}

func (m *machine) reason() string {
	m.t.Helper()
	data, err := base64.StdEncoding.DecodeString(m.sh("base64 -w0 /srv/reason"))
	if err != nil {
		m.t.Fatal(err)
	}
	return strings.TrimSuffix(string(data), "\n")
}

// understandsResults shows systemd itself what a reason may contain, and names of
// instances that %i does not leave as they are.
func (m *machine) understandsResults() {
	m.t.Helper()
	for i, tt := range hostileReasons {
		r := &supervisor.Record{Instance: fmt.Sprintf(`my\x2dweb/%d`, i), Reason: tt.text}
		for _, name := range resultFiles(r.Instance) {
			m.write("/run/nginx-hotswap/"+resultDirectory+"/"+name, string(resultText(r)))
		}
		m.sh("rm -f /srv/reason; systemctl start '" + resultUnitOf("note@.service", r.Instance) + "'")
		if got := m.reason(); got != tt.want {
			m.t.Errorf("%q: systemd reads %q", tt.text, got)
		}
	}
}
