//go:build box

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

const manyUnit = `[Service]
Type=forking
PIDFile=/run/nginx-%i.pid
ExecStart=/usr/sbin/nginx -c /etc/nginx/many/%i.conf
ExecReload=/usr/sbin/nginx -c /etc/nginx/many/%i.conf -s reload
KillMode=mixed
KillSignal=SIGQUIT
`

const manyConfig = `pid /run/nginx-%[1]d.pid;
error_log /var/log/nginx/many-%[1]d.log;
worker_processes 1;
events { worker_connections 64; }
http { access_log off; server { listen 127.0.0.1:%[2]d; return 200 "ok\n"; } }
`

// instancesVariable says how many instances there are; 200 take a minute and a
// half.
const instancesVariable = "NGINX_HOTSWAP_TEST_INSTANCES"

// Many instances of one binary are upgraded one after the other, one that cannot be
// does not stop the others, and a package manager's hook does not wait for all of
// them.
func TestBoxManyInstances(t *testing.T) {
	const firstPort = 20000
	instances := 40
	if n, err := strconv.Atoi(os.Getenv(instancesVariable)); err == nil {
		instances = n
	}
	// The hook sees some of them upgraded, however slow the machine is, and not all,
	// however fast.
	m := boot(t, "[Supervisor]\nSettleSec=300ms\nHookTimeoutSec=10s\nAutomatic=no\n[Upgrade]\nSoakSec=300ms\nKeepOldSec=0\n")
	m.write("/etc/systemd/system/nginx@.service", manyUnit)
	for i := range instances {
		m.write(fmt.Sprintf("/etc/nginx/many/%d.conf", i), fmt.Sprintf(manyConfig, i, firstPort+i))
	}
	m.sh(fmt.Sprintf("systemctl stop nginx nginx-hotswap; systemctl daemon-reload; for i in $(seq 0 %d); do echo nginx@$i; done | xargs systemctl start", instances-1))
	began := time.Now()
	m.sh("systemctl start nginx-hotswap")
	running := func(version string) int {
		n := 0
		for _, s := range m.statuses() {
			if s.MainPID != 0 && s.Phase == supervisor.Idle && (version == "" || s.Running.Version == version) {
				n++
			}
		}
		return n
	}
	m.eventuallyIn(5*time.Minute, "all are attached", func() bool { return running("") == instances })
	t.Logf("%d instances are attached %v after the start of the daemon", instances, time.Since(began).Round(10*time.Millisecond))
	var targets []string
	for i := 0; i < instances; i += instances / 4 {
		targets = append(targets, fmt.Sprintf("kind=new,url=http://127.0.0.1:%d/,clients=1,interval=10ms", firstPort+i))
	}
	load := m.startLoad(targets...)
	const broken = 7 // and the others do not mind
	m.write(fmt.Sprintf("/etc/nginx/many/%d.conf", broken), "no_such_directive;\n")
	version := nextVersion(m.statuses()[instances].Running.Version, 0) // the first is nginx.service
	m.install(version)
	began = time.Now()
	out := m.sh("nginx-hotswap upgrade --if-running --origin=dpkg")
	if took := time.Since(began); took > time.Minute {
		t.Errorf("the hook took %v", took)
	}
	if !strings.Contains(out, "the daemon goes on in the background") || !strings.Contains(out, "upgraded ") {
		t.Errorf("the hook says %s", out)
	}
	m.eventuallyIn(5*time.Minute, "all others are upgraded", func() bool { return running(version) == instances-1 })
	t.Logf("%d instances are upgraded after %v", instances, time.Since(began).Round(time.Second))
	load.lossless()
	m.comesAndGoes(instances, firstPort+instances)
	for _, s := range m.statuses() {
		want := supervisor.Upgraded
		if s.Unit == fmt.Sprintf("nginx@%d.service", broken) {
			want = supervisor.Rejected
		}
		if s.Running.SHA256 != "" && (s.Last == nil || s.Last.Result != want) {
			t.Errorf("%s: %+v", s.Name, s.Last)
		}
	}
}

// comesAndGoes starts an instance that nobody has heard of, and stops it: the
// daemon takes it up, and lets go of it, without a restart.
func (m *machine) comesAndGoes(number, port int) {
	m.t.Helper()
	name := fmt.Sprintf("nginx@%d", number)
	m.write(fmt.Sprintf("/etc/nginx/many/%d.conf", number), fmt.Sprintf(manyConfig, number, port))
	pid := func() int {
		for _, s := range m.statuses() {
			if s.Name == name {
				return s.MainPID
			}
		}
		return -1
	}
	if pid() != -1 {
		m.t.Errorf("%s is there before it was started", name)
	}
	m.sh("systemctl start " + name)
	m.eventually("it is taken up", func() bool { return pid() > 0 })
	m.sh("systemctl stop " + name)
	m.eventually("it is let go", func() bool { return pid() == 0 })
	m.sh("systemctl start " + name)
	m.eventually("it is taken up again", func() bool { return pid() > 0 })
	m.sh("systemctl stop " + name)
	m.eventually("it is let go again", func() bool { return pid() == 0 })
}

func (m *machine) statuses() []supervisor.Status {
	m.t.Helper()
	text, err := m.Status(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	var list []supervisor.Status
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		m.t.Fatal(err)
	}
	return list
}
