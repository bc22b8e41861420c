//go:build box

package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// cycles is how many upgrades follow each other.
const cycles = 20

func TestBoxTwentyCycles(t *testing.T) {
	m := boot(t, quickConfig)
	m.manyCycles()
	m.gracefulReload()
	m.gracefulStop()
}

// Without PIDFile= only MAINPID= makes systemd follow.
func TestBoxTwentyCyclesWithoutPIDFile(t *testing.T) {
	m := boot(t, quickConfig)
	m.restartable()
	m.write("/etc/systemd/system/nginx.service.d/no-pid-file.conf", "[Service]\nPIDFile=\n")
	m.sh("systemctl daemon-reload; systemctl restart nginx")
	if got := m.property("PIDFile"); got != "" {
		t.Fatalf("PIDFile=%s", got)
	}
	m.eventually("the daemon has attached", func() bool { return m.status().MainPID == m.mainPID() })
	m.manyCycles()
	m.gracefulReload()
	m.gracefulStop()
}

// manyCycles upgrades again and again under traffic.
func (m *machine) manyCycles() {
	m.t.Helper()
	start := m.status()
	if start.Running.Version == "" || start.Pending {
		m.t.Fatalf("at the start: %+v", start)
	}
	load := m.startLoad()
	before := start
	seen := map[string]bool{}
	for i := range cycles {
		version := nextVersion(start.Running.Version, i)
		m.install(version)
		after := m.cycleAfter(lastID(before))
		if after.Last.Result != supervisor.Upgraded || after.Running.Version != version {
			m.t.Fatalf("cycle %d: %+v, runs %s, not %s", i+1, after.Last, after.Running.Version, version)
		}
		if after.MainPID == before.MainPID || after.MainPID != m.mainPID() {
			m.t.Errorf("cycle %d: MainPID of systemd %d, ours %d, before %d", i+1, m.mainPID(), after.MainPID, before.MainPID)
		}
		m.consistent()
		before = after
		seen[version] = true
		if m.t.Failed() {
			break
		}
	}
	report := load.lossless()
	for version := range seen {
		if report.Total.Servers["nginx/"+version] == 0 {
			m.t.Errorf("nobody was answered by %s", version)
		}
	}
}

// gracefulReload: a reload by an administrator is nothing to us.
func (m *machine) gracefulReload() {
	m.t.Helper()
	before := m.status()
	load := m.startLoad()
	m.sh("sleep 0.5; systemctl reload nginx; sleep 1")
	load.lossless()
	m.consistent()
	after := m.status()
	if after.MainPID != before.MainPID || lastID(after) != lastID(before) || after.Pending {
		m.t.Errorf("a reload was taken for something else: before %+v, after %+v", before, after)
	}
}

// gracefulStop: a download that runs is finished within the unit's own time.
func (m *machine) gracefulStop() {
	m.t.Helper()
	out := m.sh(`traffic run --duration 1900ms --json - --grace 10s --target kind=download,url=http://127.0.0.1:8080/big,clients=1,rate=1MiB,size=` +
		fmt.Sprint(bigSize) + ` >/tmp/download & timeout 20 sh -c "until ss -Htni state established sport = :8080 | grep -q bytes_acked:....; do sleep 0.05; done"; systemctl stop nginx; systemctl show nginx -p Result --value; systemctl is-active nginx || true; wait $! || true; cat /tmp/download`)
	state, account, _ := strings.Cut(out, "{")
	if strings.Join(strings.Fields(state), " ") != "success inactive" {
		m.t.Errorf("after stop: %q", state)
	}
	var r struct {
		Total struct{ Failed, Completed int }
	}
	if err := json.Unmarshal([]byte("{"+account), &r); err != nil {
		m.t.Fatal(err)
	}
	if r.Total.Failed != 0 || r.Total.Completed != 1 {
		m.t.Errorf("the download: %+v", r.Total)
	}
}

// With everything at its default, the journal tells the whole story.
func TestBoxJournal(t *testing.T) {
	m := boot(t, "[Upgrade]\nKeepOldSec=3s\n")
	before := m.status()
	version := nextVersion(before.Running.Version, 0)
	load := m.startLoad("kind=new,url=http://127.0.0.1:8080/,clients=2")
	m.install(version)
	after := m.cycleAfter(lastID(before))
	load.lossless()
	if after.Last.Result != supervisor.Upgraded {
		t.Fatalf("%+v", after.Last)
	}
	own := m.entries("nginx-hotswap")
	for _, e := range []supervisor.Event{supervisor.EventCandidate, supervisor.EventAccepted, supervisor.EventKept, supervisor.EventStarted,
		supervisor.EventShifted, supervisor.EventVerdict, supervisor.EventDrained, supervisor.EventRetired, supervisor.EventFinished} {
		entry := find(own, e.ID)
		if entry == nil {
			t.Errorf("no entry for %s", e.Name)
			continue
		}
		if entry["SYSLOG_IDENTIFIER"] != "nginx-hotswap" || entry["NGINX_HOTSWAP_CYCLE"] != after.Last.ID ||
			entry["NGINX_HOTSWAP_INSTANCE"] != "nginx" || entry["NGINX_HOTSWAP_ORIGIN"] != "watch" ||
			entry["NGINX_HOTSWAP_OLD_PID"] != fmt.Sprint(before.MainPID) || entry["NGINX_HOTSWAP_OLD_VERSION"] != before.Running.Version ||
			entry["NGINX_HOTSWAP_NEW_SHA256"] != after.Running.SHA256 || entry["NGINX_HOTSWAP_PHASE"] == "" || entry["NGINX_HOTSWAP_DURATION_USEC"] == "" {
			t.Errorf("fields of %s: %v", e.Name, entry)
		}
	}
	finished := find(own, supervisor.EventFinished.ID)
	if finished != nil && (finished["NGINX_HOTSWAP_RESULT"] != "upgraded" || finished["NGINX_HOTSWAP_NEW_PID"] != fmt.Sprint(after.MainPID)) {
		t.Errorf("the last entry: %v", finished)
	}
	nginx := m.entries("nginx")
	for _, e := range supervisor.Events {
		if shown := find(nginx, e.ID) != nil; shown != (e.Milestone && find(own, e.ID) != nil) {
			t.Errorf("%s under nginx: %v", e.Name, shown)
		}
	}
	status := m.sh("systemctl status nginx --no-pager | grep Status:")
	if !strings.Contains(status, "nginx "+version+" since 20") || !strings.Contains(status, "upgraded from "+before.Running.Version) {
		t.Errorf("systemctl status: %s", status)
	}
	t.Logf("%s\n%s", status, m.sh("journalctl -u nginx-hotswap --no-pager -o cat; nginx-hotswap status"))
}

// entries reads the journal of a unit.
func (m *machine) entries(unit string) []map[string]string {
	m.t.Helper()
	var list []map[string]string
	for line := range strings.Lines(m.sh("journalctl --sync; journalctl --no-pager -o json -u " + unit)) {
		var raw map[string]any
		if err := json.Unmarshal([]byte(line), &raw); err != nil {
			m.t.Fatal(err)
		}
		entry := map[string]string{}
		for k, v := range raw {
			if text, ok := v.(string); ok {
				entry[k] = text
			}
		}
		list = append(list, entry)
	}
	return list
}

func find(entries []map[string]string, id string) map[string]string {
	for _, e := range entries {
		if e["MESSAGE_ID"] == id {
			return e
		}
	}
	return nil
}
