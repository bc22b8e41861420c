//go:build box

package packages

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// machine is a booted Debian of a release with its own nginx, under which a site
// for the traffic runs.
type machine struct {
	*box.Box
	t       *testing.T
	release string
	archive Archive
	control bool // without our package
	made    int  // repositories
}

const (
	siteConfig = `server {
    listen 127.0.0.1:8080 sndbuf=128k;
    listen [::1]:8080;
    server_tokens on;
    root /srv/site;
    location / { index index.html; }
%s}
`
	bigSize    = 2 << 20
	upstreamAt = "127.0.0.1:9000"
	configPath = "/etc/nginx-hotswap/nginx-hotswap.conf.d/test.conf"
	repoPath   = "/srv/packages"

	// soonConfig makes many upgrades bearable. Everything else is the default.
	soonConfig = "[Upgrade]\nSoakSec=2s\nKeepOldSec=0\n"
)

// boot starts a machine without our package.
func boot(t *testing.T, release string) *machine {
	t.Helper()
	t.Parallel()
	if err := box.Check(); err != nil {
		nginxtest.Unable(t, err.Error())
	}
	root, err := box.Root(t.Context(), release, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := Fetch(t.Context(), release, root, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{Box: box.Start(t, box.Options{Base: root}), t: t, release: release, archive: archive, control: true}
	// Only the test's own packages are installed, and only by the test.
	m.sh(`systemctl stop apt-daily.timer apt-daily-upgrade.timer apt-daily.service apt-daily-upgrade.service
		! test -e /usr/sbin/policy-rc.d; mkdir -p ` + repoPath)
	m.Build(t, "./contrib/traffic/cmd/traffic")
	m.site()
	m.sh("systemctl restart nginx")
	return m
}

// site adds a server for the traffic to nginx's configuration.
func (m *machine) site() {
	m.sh("mkdir -p /srv/site && echo hello >/srv/site/index.html && chmod 755 /srv/site")
	m.sh(fmt.Sprintf("traffic content --path /big --size %d >/srv/site/big", bigSize))
	m.write("/etc/nginx/conf.d/site.conf", traffic.StreamMap+fmt.Sprintf(siteConfig, traffic.StreamLocation("/stream", upstreamAt)))
	m.sh("systemctl -q is-active upstream || systemd-run -q --unit=upstream /usr/local/bin/traffic upstream --listen " + upstreamAt)
}

func (m *machine) write(path, text string) {
	m.t.Helper()
	if err := m.WriteFile(path, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// sh runs a script that must succeed.
func (m *machine) sh(script string) string {
	m.t.Helper()
	return m.Run(m.t, script)
}

// try runs a script and returns its outputs, as a person sees them, and its status.
func (m *machine) try(script string) (output string, exit int) {
	m.t.Helper()
	out, errOut, exit, err := m.Try(m.t.Context(), "exec 2>&1\nexport DEBIAN_FRONTEND=noninteractive\n"+script)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s%s", script, err, out, errOut)
	}
	return out, exit
}

// property reads a property of nginx's unit.
func (m *machine) property(name string) string {
	m.t.Helper()
	_, value, _ := strings.Cut(m.sh("systemctl show nginx -p "+name), "=")
	return value
}

func (m *machine) mainPID() int {
	m.t.Helper()
	pid, err := strconv.Atoi(m.property("MainPID"))
	if err != nil {
		m.t.Fatal(err)
	}
	return pid
}

// status asks the daemon for its one instance.
func (m *machine) status() supervisor.Status {
	m.t.Helper()
	text, err := m.Status(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	var list []supervisor.Status
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		m.t.Fatal(err)
	}
	if len(list) != 1 {
		m.t.Fatalf("%d instances", len(list))
	}
	return list[0]
}

// history returns the records of all cycles, oldest first.
func (m *machine) history() []supervisor.Record {
	m.t.Helper()
	if m.control {
		return nil
	}
	var records []supervisor.Record
	if err := json.Unmarshal([]byte(m.sh("nginx-hotswap history --json")), &records); err != nil {
		m.t.Fatal(err)
	}
	return records
}

// eventually waits until the condition holds.
func (m *machine) eventually(what string, holds func() bool) {
	m.t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if holds() {
			return
		}
	}
	m.t.Fatalf("%s: it did not happen\n%s", what, m.sh("nginx-hotswap status 2>&1 || true; systemctl status --no-pager nginx nginx-hotswap || true"))
}

// idle waits for the end of what runs, with disk and memory in agreement.
func (m *machine) idle() supervisor.Status {
	m.t.Helper()
	var s supervisor.Status
	m.eventually("nothing is under way", func() bool {
		s = m.status()
		return s.Phase == supervisor.Idle && s.MainPID != 0 && len(s.Masters) == 1
	})
	return s
}

// installOurs installs our package as a user does.
func (m *machine) installOurs(config string) {
	m.t.Helper()
	if err := m.CopyIn(ourPackage(m.t), "/root/nginx-hotswap.deb"); err != nil {
		m.t.Fatal(err)
	}
	before := m.mainPID()
	m.write(configPath, config)
	if out, exit := m.try("apt-get -q -y install /root/nginx-hotswap.deb"); exit != 0 {
		m.t.Fatalf("apt-get install: %d\n%s", exit, out)
	}
	m.control = false
	m.eventually("the daemon runs", func() bool { _, exit := m.try("systemctl is-active nginx-hotswap"); return exit == 0 })
	m.eventually("the daemon has attached", func() bool { return m.status().MainPID == before })
	if after := m.idle(); after.Last != nil || m.mainPID() != before {
		m.t.Fatalf("installing the package touched nginx: MainPID %d before, %+v", before, after)
	}
}

// repository makes changed packages available to apt, and nothing else, and
// returns the directory that they are in. Each one's are newer than the last one's.
func (m *machine) repository(changes map[string]Change) string {
	m.t.Helper()
	m.made++
	dir := filepath.Join(repoPath, strconv.Itoa(m.made))
	if err := m.archive.Repack(m.t.Context(), m.Path(dir), fmt.Sprintf("+next%d", m.made), changes); err != nil {
		m.t.Fatal(err)
	}
	m.write("/etc/apt/sources.list", "deb [trusted=yes] file:"+dir+" ./\n")
	if out, exit := m.try("apt-get -q update"); exit != 0 {
		m.t.Fatalf("apt-get update: %d\n%s", exit, out)
	}
	return dir
}

// digit is the end of the next version of nginx: never that of the one before.
func (m *machine) digit() byte { return byte('2' + m.made%8) }

// good are nginx and all that belongs to it, all of it other than before.
func (m *machine) good() map[string]Change {
	return map[string]Change{
		"nginx":               Version(m.digit()),
		"nginx-common":        Nothing,
		"libnginx-mod-stream": Marked(Modules, fmt.Sprint("build ", m.made)),
	}
}

// states returns dpkg's abbreviated state of packages, as in `dpkg -l`.
func (m *machine) states(names ...string) string {
	m.t.Helper()
	return m.sh("dpkg-query -W -f '${db:Status-Abbrev}' " + strings.Join(names, " "))
}
