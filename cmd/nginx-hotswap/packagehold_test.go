package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// commonPostinst is what debhelper makes of a package that owns nginx.service.
const commonPostinst = `#!/bin/sh
set -e
if [ "$1" = "configure" ]; then
	if [ -d /run/systemd/system ]; then
		systemctl --system daemon-reload >/dev/null || true
		if [ -n "$2" ]; then
			_dh_action=restart
		else
			_dh_action=start
		fi
		deb-systemd-invoke $_dh_action 'nginx.service' 'other.service' >/dev/null || true
	fi
fi
`

// fakeProc is a proc(5) with one process in it, below a dpkg and a shell.
type fakeProc struct{ environ, namespace, root, uids, parent string }

const fakeDpkg = 4000

func (f fakeProc) make(t *testing.T) string {
	t.Helper()
	proc := t.TempDir()
	for pid, p := range map[string]fakeProc{
		"1":    {"", "mnt:[1]", "/", "0 0 0 0", "0"},
		"4000": {"", "mnt:[1]", "/", "0 0 0 0", "1"},
		"4001": {"", "mnt:[1]", "/", "0 0 0 0", "4000"},
		"4002": {"", "mnt:[1]", "/", "1000 1000 1000 1000", "4000"},
		"4711": f,
	} {
		dir := filepath.Join(proc, pid)
		write(t, filepath.Join(dir, "environ"), p.environ)
		write(t, filepath.Join(dir, "status"), "Name:\tpostinst\nPPid:\t"+p.parent+"\nUid:\t"+strings.ReplaceAll(p.uids, " ", "\t")+"\nGid:\t0\t0\t0\t0\n")
		link(t, filepath.Join(dir, "ns/mnt"), p.namespace)
		link(t, filepath.Join(dir, "root"), p.root)
	}
	write(t, filepath.Join(proc, "self"), "no number")
	return proc
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, path, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

func TestPackageHold(t *testing.T) {
	postinst := "A=b\x00DPKG_MAINTSCRIPT_PACKAGE=nginx-common\x00DPKG_MAINTSCRIPT_NAME=postinst\x00"
	ours := fakeProc{postinst, "mnt:[1]", "/", "0 0 0 0", "4001"}
	with := func(change func(*fakeProc)) fakeProc {
		p := ours
		change(&p)
		return p
	}
	for name, tt := range map[string]struct {
		process    fakeProc
		change     func(*supervisor.Config)
		script     string
		dead       bool
		free       bool          // dpkg's lock
		foreground bool          // the master of nginx.service
		again      time.Duration // since when it is held anew
		want       []string
	}{
		"the postinst of nginx-common":    {process: ours, script: commonPostinst, want: []string{"nginx.service"}},
		"the daemon is dead":              {process: ours, script: commonPostinst, dead: true},
		"switched off":                    {process: ours, script: commonPostinst, change: func(c *supervisor.Config) { c.HoldPackageRestart = false }},
		"another script":                  {process: with(func(p *fakeProc) { p.environ = strings.Replace(postinst, "postinst", "prerm", 1) }), script: commonPostinst},
		"another package":                 {process: with(func(p *fakeProc) { p.environ = strings.Replace(postinst, "nginx-common", "curl", 1) }), script: commonPostinst},
		"a name that is a path":           {process: with(func(p *fakeProc) { p.environ = strings.Replace(postinst, "nginx-common", "../nginx-common", 1) }), script: commonPostinst},
		"in a container":                  {process: with(func(p *fakeProc) { p.namespace = "mnt:[2]" }), script: commonPostinst},
		"in a chroot":                     {process: with(func(p *fakeProc) { p.root = "/srv/root" }), script: commonPostinst},
		"nobody holds dpkg's lock":        {process: ours, script: commonPostinst, free: true},
		"a child of dpkg":                 {process: with(func(p *fakeProc) { p.parent = "4000" }), script: commonPostinst, want: []string{"nginx.service"}},
		"of another user":                 {process: with(func(p *fakeProc) { p.uids = "1000 1000 1000 1000" }), script: commonPostinst},
		"a set-uid program":               {process: with(func(p *fakeProc) { p.uids = "1000 0 0 0" }), script: commonPostinst},
		"it does not descend from dpkg":   {process: with(func(p *fakeProc) { p.parent = "1" }), script: commonPostinst},
		"below another user's":            {process: with(func(p *fakeProc) { p.parent = "4002" }), script: commonPostinst},
		"its parent is gone":              {process: with(func(p *fakeProc) { p.parent = "4999" }), script: commonPostinst},
		"a circle of parents":             {process: with(func(p *fakeProc) { p.parent = "4711" }), script: commonPostinst},
		"it was held for too long":        {process: ours, script: commonPostinst, again: 2 * holdAtMost},
		"it was held again":               {process: ours, script: commonPostinst, again: holdAtMost / 2, want: []string{"nginx.service"}},
		"its master is in the foreground": {process: ours, script: commonPostinst, foreground: true},
		"no environment":                  {process: with(func(p *fakeProc) { p.environ = "" }), script: commonPostinst},
		"the script restarts nothing":     {process: ours, script: "#!/bin/sh\nexit 0\n"},
		"the script is missing":           {process: ours},
		"units that we do not know":       {process: ours, script: commonPostinst, change: func(c *supervisor.Config) { c.Units = nil }},
		"a unit of an instance": {process: ours, script: strings.ReplaceAll(commonPostinst, "other", "web"), change: func(c *supervisor.Config) {
			c.Units, c.Instances = nil, []supervisor.InstanceConfig{{Unit: "web.service"}}
		}, want: []string{"web.service"}},
		"it only looks like an invocation": {process: ours, script: "# deb-systemd-invoke restart 'nginx.service'\n"},
	} {
		t.Run(name, func(t *testing.T) {
			h := packageHold{proc: tt.process.make(t), info: t.TempDir(), runtime: t.TempDir(), holder: func() (int, error) {
				if tt.free {
					return 0, nil
				}
				return fakeDpkg, nil
			}}
			if tt.foreground {
				write(t, filepath.Join(h.runtime, foreground, "nginx.service"), "")
			}
			if tt.again > 0 {
				heldAgain(t, h, tt.again)
			}
			if tt.script != "" {
				write(t, filepath.Join(h.info, "nginx-common.postinst"), tt.script)
			}
			lock, err := os.Create(filepath.Join(h.runtime, daemonLock))
			if err != nil {
				t.Fatal(err)
			}
			defer lock.Close()
			if !tt.dead {
				if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
					t.Fatal(err)
				}
			}
			c := supervisor.Defaults()
			if tt.change != nil {
				tt.change(&c)
			}
			_, got := h.units(c)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHoldIsFoundAgain(t *testing.T) {
	output := t.TempDir()
	if err := writeHold(output, "nginx.service", "nginx-common"); err != nil {
		t.Fatal(err)
	}
	found, err := holds(output)
	if err != nil || len(found) != 1 {
		t.Fatalf("found %v, %v", found, err)
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"nginx-common", "nginx.service", "systemctl daemon-reload", "[Unit]\nRefuseManualStop=yes\n"} {
		if !strings.Contains(string(data), part) {
			t.Errorf("it does not say %q", part)
		}
	}
}

// heldAgain makes it so that a hold has been there again for some time.
func heldAgain(t *testing.T, h packageHold, since time.Duration) {
	t.Helper()
	if err := h.again(true); err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-since)
	if err := os.Chtimes(filepath.Join(h.runtime, holdAgain), then, then); err != nil {
		t.Fatal(err)
	}
}

// Whatever writes holds anew, it ends, and the next script has its whole time.
func TestHoldEnds(t *testing.T) {
	h := packageHold{runtime: t.TempDir()}
	for _, step := range []struct {
		name        string
		held, spent bool
	}{
		{"never held", false, false},
		{"held again", true, false},
	} {
		if err := h.again(step.held); err != nil || h.spent() != step.spent {
			t.Errorf("%s: %v, spent is %v", step.name, err, h.spent())
		}
	}
	heldAgain(t, h, 2*holdAtMost)
	if err := h.again(true); err != nil || !h.spent() {
		t.Errorf("one more time makes it young: %v", err)
	}
	if err := h.again(false); err != nil || h.spent() {
		t.Errorf("it does not begin anew: %v", err)
	}
}

// A master with `daemon off` leads a session, as a process that setsid starts.
func TestForegroundIsNoted(t *testing.T) {
	h := packageHold{runtime: t.TempDir()}
	leader := exec.CommandContext(t.Context(), "sleep", "60")
	leader.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	member := exec.CommandContext(t.Context(), "sleep", "60")
	for _, cmd := range []*exec.Cmd{leader, member} {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	}
	for _, step := range []struct {
		name string
		pid  int
		want bool
	}{
		{"a daemon", member.Process.Pid, false},
		{"in the foreground", leader.Process.Pid, true},
		{"still there", leader.Process.Pid, true},
		{"gone", 1 << 30, true},
		{"a daemon again", member.Process.Pid, false},
	} {
		if err := h.noteForeground("nginx.service", step.pid); err != nil || h.inForeground("nginx.service") != step.want {
			t.Errorf("%s: %v, %v", step.name, h.inForeground("nginx.service"), err)
		}
	}
}
