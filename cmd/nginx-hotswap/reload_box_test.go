//go:build box

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// A reload makes systemd read the pid file, which names the successor until that
// is gone: on the way back it must not hold on to it.
func TestBoxReloadWhileDismissing(t *testing.T) {
	m := boot(t, "[Supervisor]\nSettleSec=300ms\n[Upgrade]\nSoakSec=1min\n")
	before := m.status()
	load := m.startLoad("kind=new,url=http://127.0.0.1:8080/", "kind=stream,url=http://127.0.0.1:8080/stream,clients=8,hold=5s")
	m.install(nextVersion(before.Running.Version, 0))
	var successor supervisor.MasterStatus
	m.eventually("the successor has streams of its own", func() bool {
		connections := 0
		successor = successorIn(m.status())
		for _, w := range successor.Workers {
			connections += w.Connections
		}
		return connections >= 16 // with those to the server behind
	})
	m.signal("STOP", []int{successor.PID}) // the master alone: it does not go before the reload
	m.sh("nginx-hotswap rollback nginx >/dev/null 2>&1 &")
	m.reaches(supervisor.Dismissing)
	m.sh("systemctl reload nginx")
	if successorIn(m.status()).PID != successor.PID {
		t.Fatal("the successor went before the reload was done")
	}
	m.signal("CONT", []int{successor.PID})
	after := m.cycleAfter(lastID(before))
	load.lossless()
	if after.Last.Result != supervisor.RolledBack || after.MainPID != before.MainPID {
		t.Errorf("before %+v, after %+v", before, after)
	}
	m.consistent()
}

// successorIn returns the successor of a cycle that runs, or one with pid 0.
func successorIn(st supervisor.Status) supervisor.MasterStatus {
	for _, m := range st.Masters {
		if m.Role == "successor" {
			return m
		}
	}
	return supervisor.MasterStatus{}
}

// With ExecReload=/bin/kill -HUP $MAINPID a reload reaches the frozen old master.
// What is meant is the configuration, of the version that serves and, should
// that be rolled back, of the one that comes back.
func TestBoxReloadByHUP(t *testing.T) {
	m := boot(t, "[Supervisor]\nSettleSec=300ms\n[Upgrade]\nSoakSec=4s\nKeepOldSec=1h\n")
	m.write("/etc/systemd/system/nginx.service.d/reload.conf", "[Service]\nExecReload=\nExecReload=/bin/kill -HUP $MAINPID\n")
	m.sh("systemctl daemon-reload")
	before := m.status()
	load := m.startLoad("kind=new,url=http://127.0.0.1:8080/", "kind=keepalive,url=http://127.0.0.1:8080/")
	m.install(nextVersion(before.Running.Version, 0))
	for i, phase := range []supervisor.Phase{supervisor.Soaking, supervisor.Draining} {
		m.eventually("it is in "+string(phase), func() bool { return m.status().Phase == phase })
		header := fmt.Sprintf("X-Reloaded: %d", i)
		m.sh(fmt.Sprintf("echo 'add_header %s;' >/etc/nginx/conf.d/reloaded.conf && systemctl reload nginx", strings.ReplaceAll(header, ":", "")))
		m.eventually("the new configuration answers", func() bool { return m.answers(header) })
		m.eventually("the old master is frozen again", func() bool {
			for _, master := range m.status().Masters {
				if master.Role == "old" {
					return !slices.ContainsFunc(master.Workers, func(w supervisor.WorkerStatus) bool { return !w.Draining })
				}
			}
			return false
		})
		if now := m.status(); now.Phase != phase && now.Phase != supervisor.Draining {
			t.Errorf("after the reload it is in %s", now.Phase)
		}
	}
	m.sh("nginx-hotswap rollback nginx")
	after := m.cycleAfter(lastID(before))
	m.eventually("the old version answers with the new configuration", func() bool { return m.answers("X-Reloaded: 1") })
	load.lossless()
	if after.Last.Result != supervisor.RolledBack || after.MainPID != before.MainPID {
		t.Errorf("before %+v, after %+v", before, after)
	}
	m.consistent()
}

// A reload that reaches old while the successor reads a large configuration, after
// what has changed in it, does what it says, too.
func TestBoxReloadByHUPWhileStarting(t *testing.T) {
	m := boot(t, "[Supervisor]\nSettleSec=300ms\n[Upgrade]\nSoakSec=1s\nKeepOldSec=0\n")
	m.write("/etc/systemd/system/nginx.service.d/reload.conf", "[Service]\nExecReload=\nExecReload=/bin/kill -HUP $MAINPID\n")
	const reload = "echo 'add_header X-Reloaded %s;' >/etc/nginx/conf.d/first.conf && systemctl reload nginx"
	m.sh(`{ echo 'geo $large {'; seq 1 400000 | awk '{printf "10.%d.%d.%d x%d;\n", $1/65536, $1/256%256, $1%256, $1}'; echo '}'; } >/etc/nginx/conf.d/large.conf`)
	m.sh("systemctl daemon-reload; " + fmt.Sprintf(reload, "before"))
	m.eventually("it is loaded", func() bool { return m.answers("X-Reloaded: before") })
	before := m.status()
	load := m.startLoad("kind=new,url=http://127.0.0.1:8080/", "kind=keepalive,url=http://127.0.0.1:8080/")
	m.install(nextVersion(before.Running.Version, 0))
	// It is stopped while it reads, and goes on when the reload is done.
	successor, err := strconv.Atoi(m.sh(fmt.Sprintf(`timeout 60 sh -c 'while :; do for pid in $(cat /proc/%d/task/%[1]d/children); do
		case $(ls -l /proc/$pid/fd 2>/dev/null) in *large.conf*) kill -STOP $pid; echo $pid; exit;; esac; done; done'`, before.MainPID)))
	if err != nil {
		t.Fatal(err)
	}
	m.sh(fmt.Sprintf("ls -l /proc/%d/fd | grep large.conf", successor))
	m.sh(fmt.Sprintf(reload, "meanwhile"))
	if phase := m.status().Phase; phase != supervisor.Starting {
		t.Fatalf("the reload came too late, in %s", phase)
	}
	m.signal("CONT", []int{successor})
	after := m.cycleAfter(lastID(before))
	m.eventually("it is loaded", func() bool { return m.answers("X-Reloaded: meanwhile") })
	load.lossless()
	if after.Last.Result != supervisor.Upgraded || after.MainPID == before.MainPID {
		t.Errorf("before %+v, after %+v", before, after)
	}
	m.consistent()
}

// answers reports whether an answer has a header.
func (m *machine) answers(header string) bool {
	return strings.Contains(m.sh("curl -sS -D - -o /dev/null http://127.0.0.1:8080/"), header)
}
