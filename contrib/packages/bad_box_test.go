//go:build box

package packages

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

const (
	aptModule = "apt-get -q -y -o Dpkg::Use-Pty=0 install libnginx-mod-stream"
	// failConfig makes a bad nginx a failure of the package manager.
	failConfig = soonConfig + "[Supervisor]\nPackageResult=fail\n"
)

// crashing is good, but for workers that end in the given way. It is made of the
// nginx on the disk, which must be a good one.
func (m *machine) crashing(kind badnginx.Kind) map[string]Change {
	m.t.Helper()
	const path = "/root/bad-nginx"
	badnginx.InBox(m.t, m.Box, path, kind, m.digit())
	build, err := os.ReadFile(m.Path(path))
	if err != nil {
		m.t.Fatal(err)
	}
	changes := m.good()
	changes["nginx"] = Binary(build)
	return changes
}

// misfitting is good, but for a module that was built for another nginx.
func (m *machine) misfitting() map[string]Change {
	changes := m.good()
	changes["libnginx-mod-stream"] = Misfit
	return changes
}

// What the distribution makes of bad packages: an outage, until there are others.
func TestBoxBadPackagesWithoutUs(t *testing.T) {
	m := boot(t, "bookworm")
	m.repository(m.misfitting())
	m.under("module of another nginx", aptNginx).suffers(t)
	if state := m.property("ActiveState"); state != "failed" {
		t.Errorf("nginx is %s after an upgrade to a module that does not fit", state)
	}
	m.repository(m.good())
	if out, exit := m.try(aptNginx); exit != 0 {
		t.Fatalf("%d: %s", exit, out)
	}
	m.sh("systemctl start nginx")
	m.repository(m.crashing(badnginx.CrashAtStart))
	m.under("workers crash at start", aptNginx).suffers(t)
}

func TestBoxBadPackages(t *testing.T) {
	m := boot(t, "bookworm")
	m.installOurs(soonConfig)

	changes := m.crashing(badnginx.CrashAtStart)
	delete(changes, "libnginx-mod-stream")
	m.repository(changes)
	r := m.under("workers crash at start, same module", aptNginx)
	m.kept(r, supervisor.RolledBack)
	m.tells(supervisor.ExitRolledBack, r.output, "SIGABRT", "install a fixed build")
	if got := m.sh("cmp /usr/sbin/nginx /proc/" + fmt.Sprint(r.after) + "/exe && echo same"); got != "same" {
		t.Error("the old binary is not back on the disk")
	}

	m.repository(m.crashing(badnginx.CrashAtFirstRequest))
	r = m.under("workers crash at their first request", aptNginx)
	m.bounded(r, supervisor.RolledBack)
	m.tells(supervisor.ExitRolledBack, r.output, "SIGABRT", "install a fixed build")

	m.repository(m.good())
	m.upgraded(m.under("good again", aptNginx), supervisor.OriginDpkg)

	m.repository(m.misfitting())
	r = m.under("module of another nginx", aptNginx)
	m.kept(r, supervisor.Rejected)
	m.tells(supervisor.ExitRejected, r.output, "ngx_stream_module.so", "install a build that fits")

	m.repository(map[string]Change{"libnginx-mod-stream": Marked(Modules, "repaired")})
	m.upgraded(m.under("only the module repaired", aptModule), supervisor.OriginDpkg)
}

// bounded asserts that requests were lost with bad workers alone. Each of them ends
// with the first connection that it accepts; how many there are until the first was
// noticed and its master is gone depends on how busy the machine is.
func (m *machine) bounded(r *row, result supervisor.Result) {
	m.t.Helper()
	total := r.traffic.Total
	crashed := 0
	for _, c := range r.cycles {
		crashed += m.crashed(c.Successor.PID)
	}
	m.t.Logf("%s: %d workers crashed, %d requests failed", r.scenario, crashed, total.Failed)
	const others = 4 // its last ones are reaped by nobody
	if total.OK == 0 || total.Failed > crashed+others || total.ByKind[traffic.ConnectRefused] > 0 {
		m.t.Errorf("%s: %d of %d failed, %d workers crashed: %+v", r.scenario, total.Failed, total.Requests, crashed, r.traffic.Failures)
	}
	m.unchanged(r, result)
}

// crashed counts the workers of a master that it has seen crash.
func (m *machine) crashed(master int) int {
	m.t.Helper()
	out := m.sh(fmt.Sprintf("grep -c ' %d#.*exited on signal 6' /var/log/nginx/error.log || true", master))
	n, err := strconv.Atoi(out)
	if err != nil {
		m.t.Fatal(err)
	}
	return n
}

// kept asserts that a bad package did no harm at all.
func (m *machine) kept(r *row, result supervisor.Result) {
	m.t.Helper()
	r.lossless(m.t)
	m.unchanged(r, result)
}

// unchanged asserts that nginx is the old one and that apt has noticed nothing.
func (m *machine) unchanged(r *row, result supervisor.Result) {
	m.t.Helper()
	r.one(m.t, result, supervisor.OriginDpkg)
	if r.before != r.after {
		m.t.Errorf("%s: MainPID %d, then %d", r.scenario, r.before, r.after)
	}
	if r.exit != 0 {
		m.t.Errorf("%s: status %d\n%s", r.scenario, r.exit, r.output)
	}
	if got := m.states("nginx", "nginx-common", "libnginx-mod-stream", "nginx-hotswap"); got != "ii ii ii ii" {
		m.t.Errorf("%s: states %q", r.scenario, got)
	}
	m.swift(r)
	m.released()
}

// tells asserts that the package manager's output, status and upgrade all say what
// is the matter, and what to do.
func (m *machine) tells(code int, output string, words ...string) {
	m.t.Helper()
	status, _ := m.try("nginx-hotswap status")
	upgrade, exit := m.try("nginx-hotswap upgrade")
	if exit != code {
		m.t.Errorf("upgrade: status %d, want %d\n%s", exit, code, upgrade)
	}
	m.t.Logf("status:\n%s\nupgrade:\n%s", status, upgrade)
	for name, text := range map[string]string{"apt": output, "status": status, "upgrade": upgrade} {
		for _, word := range words {
			if !strings.Contains(text, word) {
				m.t.Errorf("%s does not say %q:\n%s", name, word, text)
			}
		}
	}
}

// With PackageResult=fail the failure is ours alone, stays, and can be acknowledged.
func TestBoxPackageResultFail(t *testing.T) {
	m := boot(t, "bookworm")
	m.installOurs(failConfig)
	all := []string{"nginx", "nginx-common", "libnginx-mod-stream", "nginx-hotswap"}

	m.repository(m.misfitting())
	r := m.under("module of another nginx, PackageResult=fail", aptNginx)
	r.lossless(t)
	r.one(t, supervisor.Rejected, supervisor.OriginDpkg)
	if r.exit == 0 || r.before != r.after {
		t.Errorf("status %d, MainPID %d->%d\n%s", r.exit, r.before, r.after, r.output)
	}
	if got := m.states(all...); got != "ii ii ii iF" {
		t.Errorf("states %q", got)
	}
	if out, exit := m.try("dpkg --configure -a"); exit == 0 || !strings.Contains(out, "ngx_stream_module.so") {
		t.Errorf("dpkg --configure -a: %d\n%s", exit, out)
	}
	m.released()

	out, exit := m.try("nginx-hotswap confirm")
	t.Logf("confirm: %d %s", exit, out)
	if out, exit := m.try("dpkg --configure -a"); exit != 0 {
		t.Errorf("dpkg --configure -a after confirm: %d\n%s", exit, out)
	}
	if got := m.states(all...); got != "ii ii ii ii" {
		t.Errorf("states after confirm %q", got)
	}

	m.repository(m.good())
	m.upgraded(m.under("good again, PackageResult=fail", aptNginx), supervisor.OriginDpkg)

	m.repository(m.crashing(badnginx.CrashAtStart))
	r = m.under("workers crash at start, PackageResult=fail", aptNginx)
	r.lossless(t)
	r.one(t, supervisor.RolledBack, supervisor.OriginDpkg)
	m.swift(r)
	if got := m.states(all...); got != "ii ii ii iF" || r.exit == 0 {
		t.Errorf("states %q, status %d\n%s", got, r.exit, r.output)
	}
	m.repository(m.good())
	m.upgraded(m.under("good without a confirmation, PackageResult=fail", aptNginx), supervisor.OriginDpkg)
	if got := m.states(all...); got != "ii ii ii ii" {
		t.Errorf("states %q", got)
	}
}
