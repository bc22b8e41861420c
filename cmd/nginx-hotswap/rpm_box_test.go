//go:build box

package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// rpmConfig leaves the old master to the distribution's script, which comes five
// seconds after its USR2, and everything else to the hooks.
const (
	rpmRetain = 20 * time.Second
	rpmConfig = "[Supervisor]\nAutomatic=no\nPackageResult=fail\n[Upgrade]\nSoakSec=2s\nKeepOldSec=0\nRetainSec=20s\n"
)

// rpmRow is the account of one transaction under traffic.
type rpmRow struct {
	scenario      string
	ours          bool
	traffic       *traffic.Report
	cycles        []supervisor.Record
	before, after int // MainPID
	exit          int
	output        string
	took          time.Duration
}

// logRPM shows rows side by side.
func logRPM(t *testing.T, rows ...rpmRow) {
	t.Helper()
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "scenario\tnginx-hotswap\tok\tfailed\tstale\tgap ms\tcycles\tMainPID\tstatus\tseconds")
	for _, r := range rows {
		with := "no"
		if r.ours {
			with = "yes"
		}
		cycles := []string{}
		for _, c := range r.cycles {
			cycles = append(cycles, fmt.Sprintf("%s by %s", c.Result, c.Origin))
		}
		total := r.traffic.Total
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%.0f\t%s\t%d->%d\t%d\t%.1f\n", r.scenario, with, total.OK, total.Failed, total.StaleRetries,
			r.traffic.Kinds[traffic.New].LongestGapMS, strings.Join(cycles, ", "), r.before, r.after, r.exit, r.took.Seconds())
	}
	w.Flush()
	t.Logf("\n%s", b.String())
}

// under runs an rpm transaction under traffic, until all that it has begun is over.
func (m *machine) under(scenario, transaction string, ours bool) rpmRow {
	m.t.Helper()
	r := rpmRow{scenario: scenario, ours: ours, before: m.mainPID()}
	known := 0
	if ours {
		known = len(m.records())
	}
	load := m.startLoad()
	start := time.Now()
	r.exit, r.output = m.try(rpmRun + transaction + " 2>&1")
	r.took = time.Since(start)
	if ours {
		m.eventually("nothing is under way", func() bool { return m.status().Phase == supervisor.Idle })
	}
	r.traffic = load.stop()
	r.after = m.mainPID()
	if ours {
		r.cycles = m.records()[known:]
	}
	logRPM(m.t, r)
	m.t.Logf("status %d\n%s", r.exit, r.output)
	return r
}

// lossless fails the test if a request failed or rpm did.
func (r rpmRow) lossless(t *testing.T) {
	t.Helper()
	if err := r.traffic.Verdict(); err != nil {
		t.Errorf("%s: %v: %+v", r.scenario, err, r.traffic.Failures)
	}
	if r.exit != 0 {
		t.Errorf("%s: rpm exits with %d\n%s", r.scenario, r.exit, r.output)
	}
}

// one is the only cycle.
func (r rpmRow) one(t *testing.T, result supervisor.Result) supervisor.Record {
	t.Helper()
	if len(r.cycles) != 1 || r.cycles[0].Result != result || r.cycles[0].Origin != supervisor.OriginRPM {
		t.Fatalf("%s: not one cycle by rpm that is %s: %+v", r.scenario, result, r.cycles)
	}
	return r.cycles[0]
}

// What the distribution does alone: the row to compare with.
func TestBoxRPMControl(t *testing.T) {
	m := fedora(t)
	good, bad := m.nginxRPMs(m.release('2'), nil, "second"), m.badRPMs('9', "third")
	rows := []rpmRow{
		m.under("rpm -U of a good nginx", "-U "+good, false),
		m.under("rpm -U of an nginx that crashes", "-U "+bad, false),
	}
	logRPM(t, rows...)
	if r := rows[0]; r.before == r.after {
		t.Errorf("the distribution's script has not upgraded: %s", r.output)
	}
	if r := rows[1]; r.traffic.Total.Failed == 0 {
		t.Errorf("the bad build does no harm: it proves nothing")
	}
}

// badRPMs are the packages of a build whose workers crash.
func (m *machine) badRPMs(digit byte, mark string) string {
	m.t.Helper()
	badnginx.InBox(m.t, m.Box, "/root/bad", badnginx.CrashAtFirstRequest, digit)
	build, err := os.ReadFile(m.Path("/root/bad"))
	if err != nil {
		m.t.Fatal(err)
	}
	return m.nginxRPMs(m.release(digit), build, mark)
}

// installOurRPM is what an administrator does.
func (m *machine) installOurRPM(config string) {
	m.t.Helper()
	m.sh("rpm --force-debian -i " + m.ourRPM("0.1.0") + "; systemctl enable --now nginx-hotswap 2>&1")
	m.configure(config)
}

func TestBoxRPM(t *testing.T) {
	m := fedora(t)
	m.installOurRPM(rpmConfig)
	var rows []rpmRow
	for _, story := range []struct {
		name string
		run  func(*machine) rpmRow
	}{
		{"good", (*machine).rpmUpgrades},
		{"library", (*machine).rpmBringsLibrary},
		{"stopped", (*machine).rpmWithoutDaemon},
		{"bad", (*machine).rpmRollsBack},
	} {
		t.Run(story.name, func(t *testing.T) { rows = append(rows, story.run(m.in(t))) })
	}
	logRPM(t, rows...)
}

// rpmUpgrades: the hook upgrades, and the distribution's script, which comes
// after it, only ends the old master.
func (m *machine) rpmUpgrades() rpmRow {
	version := m.release('2')
	r := m.under("rpm -U of a good nginx", "-U "+m.nginxRPMs(version, nil, "second"), true)
	r.lossless(m.t)
	rec := r.one(m.t, supervisor.Upgraded)
	s := m.status()
	if s.MainPID != r.after || s.MainPID != rec.Successor.PID || s.Running.Version != version || s.Pending {
		m.t.Errorf("after the transaction: MainPID %d, %+v", r.after, s)
	}
	m.consistent()
	if log := m.sh("cat /var/log/nginx/error.log"); !strings.Contains(log, "the changing binary signal is ignored") {
		m.t.Errorf("nginx has not refused the script's USR2:\n%s", log)
	}
	for _, step := range rec.Steps {
		if took := time.Duration(step.DurationMS) * time.Millisecond; step.Phase == supervisor.Draining && took >= rpmRetain {
			m.t.Errorf("Draining took %v: the script's QUIT has not ended the old master", took)
		}
	}
	return r
}

// rpmBringsLibrary: the file trigger makes nginx run with a new library.
func (m *machine) rpmBringsLibrary() rpmRow {
	path := m.sh(fmt.Sprintf("awk '/libz\\.so/ {print $6; exit}' /proc/%d/maps", m.mainPID()))
	build, err := os.ReadFile(m.Path(path))
	if err != nil {
		m.t.Fatal(err)
	}
	library := m.rpm("library", map[string][]byte{"library": append(build, "another"...)}, map[string]string{"library_path": path})
	r := m.under("rpm -i of a new libz", "-i "+library, true)
	r.lossless(m.t)
	rec := r.one(m.t, supervisor.Upgraded)
	if maps := m.sh(fmt.Sprintf("grep libz /proc/%d/maps", rec.Successor.PID)); strings.Contains(maps, "deleted") {
		m.t.Errorf("the new master has mapped %s", maps)
	}
	return r
}

// rpmWithoutDaemon: rpm goes on as without us.
func (m *machine) rpmWithoutDaemon() rpmRow {
	m.sh("systemctl stop nginx-hotswap")
	version := m.release('3')
	r := m.under("rpm -U, daemon stopped", "-U "+m.nginxRPMs(version, nil, "third"), true)
	r.lossless(m.t)
	if len(r.cycles) != 0 || r.before == r.after {
		m.t.Errorf("not the distribution's own upgrade: %+v", r)
	}
	m.sh("systemctl start nginx-hotswap")
	m.eventually("the daemon has attached", func() bool { return m.status().MainPID == r.after })
	if s := m.status(); s.Running.Version != version || s.Pending {
		m.t.Errorf("%+v", s)
	}
	return r
}

// rpmRollsBack: the bad build is condemned, and started once more by the
// distribution's script, which must do no harm.
func (m *machine) rpmRollsBack() rpmRow {
	before := m.status()
	// With the modules that run: the kept binary fits them.
	r := m.under("rpm -U of an nginx that crashes", "-U "+m.badRPMs('9', "third"), true)
	rec := r.one(m.t, supervisor.RolledBack)
	// With PackageResult=fail the last hook fails, which rpm tells and goes on.
	if r.exit != 0 || !strings.Contains(r.output, "SIGABRT") || !strings.Contains(r.output, "warning: %transfiletriggerin(nginx-hotswap") {
		m.t.Errorf("rpm exits with %d and does not say what has happened:\n%s", r.exit, r.output)
	}
	if limit := supervisor.Defaults().HookTimeoutSec; r.took >= limit {
		m.t.Errorf("the transaction took %v: the hooks have not been told the verdict", r.took)
	}
	// The clients that the bad workers had accepted, and nobody else.
	for kind, n := range r.traffic.Total.ByKind {
		if kind != "reset" && kind != "eof" && n > 0 {
			m.t.Errorf("failed requests: %v", r.traffic.Total.ByKind)
		}
	}
	after := m.cycleAfter(lastID(before))
	m.oldServes(before, after, "SIGABRT")
	m.standsIn(after, rec.Successor.SHA256)
	if text := m.tells(rec.ID, supervisor.EventForeign); !strings.Contains(text, "is dismissed") {
		m.t.Errorf("of the condemned build that the distribution's script started it says %q", text)
	}
	return r
}
