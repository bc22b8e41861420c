package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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

// fakeProc is a proc(5) with one process in it.
type fakeProc struct{ environ, namespace, root string }

func (f fakeProc) make(t *testing.T) string {
	t.Helper()
	proc := t.TempDir()
	for pid, p := range map[string]fakeProc{"1": {"", "mnt:[1]", "/"}, "4711": f} {
		dir := filepath.Join(proc, pid)
		write(t, filepath.Join(dir, "environ"), p.environ)
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
	ours := fakeProc{postinst, "mnt:[1]", "/"}
	for name, tt := range map[string]struct {
		process fakeProc
		change  func(*supervisor.Config)
		script  string
		dead    bool
		want    []string
	}{
		"the postinst of nginx-common": {process: ours, script: commonPostinst, want: []string{"nginx.service"}},
		"the daemon is dead":           {process: ours, script: commonPostinst, dead: true},
		"switched off":                 {process: ours, script: commonPostinst, change: func(c *supervisor.Config) { c.HoldPackageRestart = false }},
		"another script":               {process: fakeProc{strings.Replace(postinst, "postinst", "prerm", 1), "mnt:[1]", "/"}, script: commonPostinst},
		"another package":              {process: fakeProc{strings.Replace(postinst, "nginx-common", "curl", 1), "mnt:[1]", "/"}, script: commonPostinst},
		"a name that is a path":        {process: fakeProc{strings.Replace(postinst, "nginx-common", "../nginx-common", 1), "mnt:[1]", "/"}, script: commonPostinst},
		"in a container":               {process: fakeProc{postinst, "mnt:[2]", "/"}, script: commonPostinst},
		"in a chroot":                  {process: fakeProc{postinst, "mnt:[1]", "/srv/root"}, script: commonPostinst},
		"no environment":               {process: fakeProc{"", "mnt:[1]", "/"}, script: commonPostinst},
		"the script restarts nothing":  {process: ours, script: "#!/bin/sh\nexit 0\n"},
		"the script is missing":        {process: ours},
		"units that we do not know":    {process: ours, script: commonPostinst, change: func(c *supervisor.Config) { c.Units = nil }},
		"a unit of an instance": {process: ours, script: strings.ReplaceAll(commonPostinst, "other", "web"), change: func(c *supervisor.Config) {
			c.Units, c.Instances = nil, []supervisor.InstanceConfig{{Unit: "web.service"}}
		}, want: []string{"web.service"}},
		"it only looks like an invocation": {process: ours, script: "# deb-systemd-invoke restart 'nginx.service'\n"},
	} {
		t.Run(name, func(t *testing.T) {
			h := packageHold{proc: tt.process.make(t), info: t.TempDir(), runtime: t.TempDir()}
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
