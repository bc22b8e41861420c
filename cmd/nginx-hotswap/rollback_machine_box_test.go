//go:build box

package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// in is the same machine in a subtest.
func (m *machine) in(t *testing.T) *machine { return &machine{m.Box, t} }

// exits runs a script that must end with the given status and returns what it
// prints. It asks us for one thing.
func (m *machine) exits(want int, script string) string {
	m.t.Helper()
	stdout, stderr, code, err := m.Ask(m.t.Context(), script)
	if err != nil {
		m.t.Fatal(err)
	}
	if code != want {
		m.t.Errorf("%s: exit status %d, not %d\n%s\n%s\n%s", script, code, want, stdout, stderr,
			m.sh("nginx-hotswap status; journalctl -u nginx-hotswap --no-pager -o short-precise | tail -20"))
	}
	return stdout + stderr
}

func (m *machine) sha256(path string) string {
	m.t.Helper()
	sum, _, _ := strings.Cut(m.sh("sha256sum "+path), " ")
	return sum
}

// configure gives the daemon another configuration.
func (m *machine) configure(config string) {
	m.t.Helper()
	m.write("/etc/nginx-hotswap/nginx-hotswap.conf.d/test.conf", config)
	m.sh("systemctl restart nginx-hotswap")
	m.eventually("the daemon has attached", func() bool { return m.status().MainPID == m.mainPID() })
}

// records are the cycles that ended.
func (m *machine) records() []supervisor.Record {
	m.t.Helper()
	var list []supervisor.Record
	if err := json.Unmarshal([]byte(m.sh("nginx-hotswap history --json")), &list); err != nil {
		m.t.Fatal(err)
	}
	return list
}

func (m *machine) record(id string) supervisor.Record {
	m.t.Helper()
	for _, r := range m.records() {
		if r.ID == id {
			return r
		}
	}
	m.t.Fatalf("no record %s", id)
	return supervisor.Record{}
}

// reaches waits for a phase of the cycle that runs.
func (m *machine) reaches(phase supervisor.Phase) supervisor.Status {
	m.t.Helper()
	var s supervisor.Status
	m.eventually(string(phase), func() bool {
		s = m.status()
		return s.Phase == phase
	})
	return s
}

// tells waits for an event of a cycle and returns its message. The last entries
// are written after the end of the cycle is seen.
func (m *machine) tells(cycle string, e supervisor.Event) (message string) {
	m.t.Helper()
	m.eventually(fmt.Sprintf("%s in cycle %s is in the journal", e.Name, cycle), func() bool {
		for _, entry := range m.entries("nginx-hotswap") {
			if entry["MESSAGE_ID"] == e.ID && entry["NGINX_HOTSWAP_CYCLE"] == cycle {
				message = entry["MESSAGE"]
				return true
			}
		}
		return false
	})
	return message
}
