//go:build box

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// machine is a booted box with the project installed and the distribution's
// nginx as it is, plus one server for the traffic.
type machine struct {
	*box.Box
	t *testing.T
}

const (
	siteConfig = `server {
    listen 127.0.0.1:8080 sndbuf=128k;
    listen [::1]:8080;
    listen unix:/run/site.sock;
    server_tokens on;
    root /srv/site;
    location / { index index.html; }
%s}
`
	bigSize     = 2 << 20
	upstreamAt  = "127.0.0.1:9000"
	nginxBinary = "/usr/sbin/nginx"
)

// quickConfig makes many cycles bearable. Everything else is the default.
const quickConfig = "[Supervisor]\nSettleSec=300ms\n[Upgrade]\nSoakSec=500ms\nKeepOldSec=0\n"

// boot starts a machine with nginx and the daemon running.
func boot(t *testing.T, config string) *machine {
	t.Helper()
	t.Parallel() // most of the time is spent waiting
	m := &machine{box.Start(t, box.Options{Base: box.Base(t)}), t}
	m.Build(t, "./contrib/traffic/cmd/traffic")
	m.Box.Install(t)
	m.site()
	m.write("/etc/nginx-hotswap/nginx-hotswap.conf.d/test.conf", config)
	m.sh("systemctl restart nginx; systemctl enable --now nginx-hotswap 2>&1")
	m.eventually("the daemon has attached", func() bool { return m.status().MainPID == m.mainPID() })
	return m
}

// site adds a server for the traffic to nginx's configuration.
func (m *machine) site() {
	m.sh("mkdir -p /srv/site && echo hello >/srv/site/index.html && chmod 755 /srv/site")
	m.sh(fmt.Sprintf("traffic content --path /big --size %d >/srv/site/big", bigSize))
	m.write("/etc/nginx/conf.d/site.conf", traffic.StreamMap+fmt.Sprintf(siteConfig, traffic.StreamLocation("/stream", upstreamAt)))
	m.sh("systemd-run -q --unit=upstream /usr/local/bin/traffic upstream --listen " + upstreamAt)
}

// restartable removes the unix socket before each start: an nginx that was
// killed, and any before 1.19.1, leaves it behind and then could not bind.
func (m *machine) restartable() {
	m.t.Helper()
	m.write("/etc/systemd/system/nginx.service.d/site.conf", "[Service]\nExecStartPre=/bin/rm -f /run/site.sock\n")
	m.sh("systemctl daemon-reload")
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
	list := m.statuses()
	if len(list) != 1 {
		m.t.Fatalf("%d instances", len(list))
	}
	return list[0]
}

// eventually waits until the condition holds.
func (m *machine) eventually(what string, holds func() bool) {
	m.t.Helper()
	m.eventuallyIn(time.Minute, what, holds)
}

func (m *machine) eventuallyIn(limit time.Duration, what string, holds func() bool) {
	m.t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if holds() {
			return
		}
	}
	m.t.Fatalf("%s: it did not happen\n%s", what, m.sh("nginx-hotswap status || true; journalctl -u nginx-hotswap --no-pager | tail -20"))
}

// install puts a build with another version in place: cp to a temporary name
// and mv, which is what NewerNginx does.
func (m *machine) install(version string) {
	m.t.Helper()
	m.NewerNginx(m.t, nginxBinary, version)
}

// nextVersion differs from a version in the last digit.
func nextVersion(version string, i int) string {
	last := version[len(version)-1]
	digit := byte('0' + (int(last-'0')+1+i%9)%10)
	return version[:len(version)-1] + string(digit)
}

// upgraded waits for the end of the cycle that follows the one with the given id
// and returns the state after it.
func (m *machine) cycleAfter(id string) supervisor.Status {
	m.t.Helper()
	var s supervisor.Status
	m.eventually("a cycle ends", func() bool {
		s = m.status()
		return s.Phase == supervisor.Idle && s.Last != nil && s.Last.ID != id && s.MainPID != 0
	})
	return s
}

func lastID(s supervisor.Status) string {
	if s.Last == nil {
		return ""
	}
	return s.Last.ID
}

// load is traffic of every kind that runs in the machine.
type load struct {
	m     *machine
	cmd   *exec.Cmd
	stdin io.Closer
	out   bytes.Buffer
	err   bytes.Buffer
}

func (m *machine) startLoad(targets ...string) *load {
	m.t.Helper()
	if len(targets) == 0 {
		base := "url=http://127.0.0.1:8080"
		targets = []string{
			"kind=new," + base + "/,clients=4", "kind=keepalive," + base + "/,clients=4",
			"kind=unix,unix=/run/site.sock,url=http://localhost/,clients=2",
			fmt.Sprintf("kind=download,%s/big,clients=2,rate=2MiB,size=%d", base, bigSize),
			"kind=stream," + base + "/stream,clients=4,hold=1500ms",
		}
	}
	args := []string{"run", "--until-eof", "--json", "-"}
	for _, target := range targets {
		args = append(args, "--target", target)
	}
	l := &load{m: m, cmd: m.Command(context.WithoutCancel(m.t.Context()), "/usr/local/bin/traffic", args...)}
	l.cmd.Stdout, l.cmd.Stderr = &l.out, &l.err
	stdin, err := l.cmd.StdinPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	l.stdin = stdin
	if err := l.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	return l
}

// stop ends the load and returns its account.
func (l *load) stop() *traffic.Report {
	l.m.t.Helper()
	l.stdin.Close()
	_ = l.cmd.Wait() // 1 when a request failed, which the account tells better
	var r traffic.Report
	if err := json.Unmarshal(l.out.Bytes(), &r); err != nil {
		l.m.t.Fatalf("traffic: %v\n%s%s", err, l.out.String(), l.err.String())
	}
	var table bytes.Buffer
	r.Table(&table)
	l.m.t.Logf("\n%s", table.String())
	return &r
}

// lossless fails the test if a request failed.
func (l *load) lossless() *traffic.Report {
	l.m.t.Helper()
	r := l.stop()
	if err := r.Verdict(); err != nil {
		l.m.t.Errorf("%v: %+v", err, r.Failures)
	}
	return r
}

// consistent checks that systemd, the pid file and the process table agree on
// one master.
func (m *machine) consistent() {
	m.t.Helper()
	m.hasMasters(1)
	pid := m.mainPID()
	got := m.sh(`cat /run/nginx.pid; systemctl is-active nginx; systemctl show nginx -p NRestarts --value
		ls /run/nginx.pid.oldbin /run/*.nginx-hotswap 2>/dev/null || true`)
	want := fmt.Sprintf("%d\nactive\n0", pid)
	if got != want {
		m.t.Errorf("pid file, state, restarts, leftovers: got %q, want %q", got, want)
	}
}

// hasMasters waits until so many masters run. A worker that was just forked has its
// master's title.
func (m *machine) hasMasters(want int) {
	m.t.Helper()
	m.eventually(fmt.Sprintf("%d masters run", want), func() bool {
		return m.sh("grep -alsE '^nginx: master process' /proc/[0-9]*/cmdline | wc -l") == strconv.Itoa(want)
	})
}
