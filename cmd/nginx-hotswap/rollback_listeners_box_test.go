//go:build box

package main

import (
	"strings"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// lackingListener is a configuration that lacks something which the running
// master has.
type lackingListener struct {
	name     string
	from, to string // for sed
	code     int
	result   supervisor.Result
	reason   string
}

var lackingListeners = []lackingListener{
	{"no TCP listener", `    listen \[::1\]:8080;`, "", supervisor.ExitRolledBack, supervisor.RolledBack, "listeners"},
	{"no unix listener", `    listen unix:\/run\/site.sock;`, "", supervisor.ExitRejected, supervisor.Rejected, "/run/site.sock"},
	{"fewer reuseport workers", "worker_processes 2", "worker_processes 1", supervisor.ExitRolledBack, supervisor.RolledBack, "listeners"},
}

// refusesToLose upgrades to a good build with a configuration on disk that has
// fewer listeners than the running master.
func (m *machine) refusesToLose(l lackingListener) {
	m.sh(`sed -i 's/worker_processes .*;/worker_processes 2;/' /etc/nginx/nginx.conf
		sed -i 's/127.0.0.1:8080 sndbuf=128k/127.0.0.1:8080 sndbuf=128k reuseport/' /etc/nginx/conf.d/site.conf
		cp -p /etc/nginx/nginx.conf /etc/nginx/conf.d/site.conf /root/`)
	m.restartable()
	m.sh("systemctl restart nginx")
	m.eventually("the daemon has attached", func() bool { return m.status().MainPID == m.mainPID() })
	before := m.status()
	load := m.startLoad()
	m.sh("sed -i 's/" + l.from + "/" + l.to + "/' /etc/nginx/nginx.conf /etc/nginx/conf.d/site.conf; nginx -t 2>&1")
	m.install(nextVersion(before.Running.Version, 0))
	out := m.exits(l.code, "nginx-hotswap upgrade")
	after := m.cycleAfter(lastID(before))
	load.lossless()
	if !strings.Contains(out, l.reason) || after.Last.Result != l.result {
		m.t.Errorf("%s: %+v", out, after.Last)
	}
	if after.MainPID != before.MainPID || m.mainPID() != before.MainPID {
		m.t.Errorf("before %+v, after %+v", before, after)
	}
	m.consistent()
	m.sh("cp -p /root/nginx.conf /etc/nginx/; cp -p /root/site.conf /etc/nginx/conf.d/; nginx -t 2>&1; test -S /run/site.sock")
	m.restoreGood()
}
