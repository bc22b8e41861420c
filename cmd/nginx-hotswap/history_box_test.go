//go:build box

package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// The page has in it what a real journal and real workers say.
func TestBoxHistoryPage(t *testing.T) {
	m := boot(t, "[Supervisor]\nSettleSec=300ms\n[Upgrade]\nSoakSec=3s\nKeepOldSec=1s\n")
	before := m.status()
	version := nextVersion(before.Running.Version, 0)
	load := m.startLoad()
	m.install(version)
	after := m.cycleAfter(lastID(before))
	load.lossless()
	if after.Last.Result != supervisor.Upgraded {
		t.Fatalf("%+v", after.Last)
	}
	m.sh("umask 027; journalctl --sync; nginx-hotswap history --html=/root/report.html")
	if mode := strings.TrimSpace(m.sh("stat -c %a /root/report.html")); mode != "640" {
		t.Errorf("the page has the mode %s", mode)
	}
	page := m.sh("cat /root/report.html")
	for _, want := range []string{
		`<title>nginx ` + before.Running.Version + ` → ` + version + `: upgraded</title>`,
		`<p class="where">on [^,<]+, 20`,
		`watch: the files on disk changed`,
		after.Last.ID,
		before.Running.SHA256, after.Running.SHA256,
		`nginx-hotswap\[\d+\]</td><td class="message">nginx: USR2 sent to master \d+, successor \d+ serves`,
		`nginx-hotswap\[\d+\]</td><td class="message">nginx: verdict good after [3-9]\S*s,`,
		`nginx-hotswap\[\d+\]</td><td class="message">nginx: new binary`,
		`<g class="curve old">`, `<g class="curve new">`, `<g class="curve p0">`,
	} {
		if !regexp.MustCompile(want).MatchString(page) {
			t.Errorf("%s is not on the page", want)
		}
	}
	if strings.Contains(page, "The journal") || strings.Contains(page, "There are no samples") {
		t.Errorf("something is missing:\n%s", page)
	}
	if most := regexp.MustCompile(`the old master&#39;s workers had \d+ at first, (\d+) at the most`).FindStringSubmatch(page); most == nil || most[1] == "0" {
		t.Errorf("the old workers had no connections: %q", most)
	}
	timeline := m.sh("nginx-hotswap history " + after.Last.ID)
	if !regexp.MustCompile(`(?m)^soaking .* \+\S+ +[3-9]\S*s +#{3,}$`).MatchString(timeline) {
		t.Errorf("the timeline is\n%s", timeline)
	}
}
