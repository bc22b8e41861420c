//go:build box

package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

const (
	rpmDatabase = "/var/lib/rpm"
	rpmModule   = "/usr/lib/nginx/modules/ngx_stream_module.so"

	// rpmRun is rpm as Fedora's and openSUSE's plugin "unshare" runs scriptlets:
	// without a network, and with a private /tmp. Debian's rpm refuses to install
	// anything where it is not told that it is meant.
	rpmRun = "unshare --mount --net sh -c 'mount -t tmpfs tmpfs /tmp; mount -t tmpfs tmpfs /home; exec rpm --force-debian \"$@\"' rpm "
)

// fedora starts a machine whose nginx is that of rpm packages with the layout and
// the scripts of Fedora's and RHEL's, without the project.
func fedora(t *testing.T) *machine {
	t.Helper()
	t.Parallel()
	for _, tool := range []string{"rpm", "rpmbuild"} {
		if _, err := exec.LookPath(tool); err != nil {
			nginxtest.Unable(t, tool+" is not installed (apt-get install rpm)")
		}
	}
	if base := box.Base(t); base != "/" {
		t.Skip("there is no rpm in " + base)
	}
	m := &machine{box.Start(t, box.Options{}), t}
	m.Build(t, "./contrib/traffic/cmd/traffic")
	m.write("/etc/rpm/macros", "%_dbpath "+rpmDatabase+"\n")
	first := m.nginxRPMs(m.release('1'), nil, "first")
	m.sh(`rm -f /usr/sbin/policy-rc.d; systemctl stop nginx
		dpkg --purge --force-depends $(dpkg-query -W -f '${Package}\n' '*nginx*' | sort -u) >/dev/null 2>&1
		! test -e /usr/sbin/nginx; ! test -e /lib/systemd/system/nginx.service`)
	m.sh("rpm --force-debian -i " + m.rpm("base", nil, nil) + " " + first)
	m.site()
	m.sh("systemctl start nginx")
	return m
}

// release is the distribution's version with another last digit.
func (m *machine) release(digit byte) string {
	m.t.Helper()
	version, err := nginx.ReadVersion(m.t.Context(), nginxtest.Distribution(m.t))
	if err != nil {
		m.t.Fatal(err)
	}
	return version.Number[:len(version.Number)-1] + string(digit)
}

// nginxRPMs builds the three packages of a version and returns their paths in the
// machine. Without a build it is the distribution's. Modules that are marked in
// another way are other ones, and do the same.
func (m *machine) nginxRPMs(version string, build []byte, mark string) string {
	m.t.Helper()
	if build == nil {
		path := nginxtest.Distribution(m.t)
		original, err := nginx.ReadVersion(m.t.Context(), path)
		if err != nil {
			m.t.Fatal(err)
		}
		if build, err = os.ReadFile(path); err != nil {
			m.t.Fatal(err)
		}
		if build, err = box.PatchVersion(build, original.Number, version); err != nil {
			m.t.Fatal(err)
		}
	}
	module, err := os.ReadFile(rpmModule)
	if err != nil {
		nginxtest.Unable(m.t, err.Error()+" (apt-get install libnginx-mod-stream)")
	}
	return m.rpm("nginx", map[string][]byte{
		"nginx": build,
		// What follows the last section is never looked at.
		"ngx_stream_module.so": append(module, mark...),
	}, map[string]string{"nginx_version": version})
}

// rpm builds the packages of a spec in testdata and copies them into the machine.
// The files are there beside those in testdata.
func (m *machine) rpm(spec string, files map[string][]byte, macros map[string]string) string {
	m.t.Helper()
	dir := m.t.TempDir()
	sources := filepath.Join(dir, "sources")
	if err := os.CopyFS(sources, os.DirFS("testdata/rpm")); err != nil {
		m.t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(sources, name), content, 0o600); err != nil {
			m.t.Fatal(err)
		}
	}
	args := []string{"-bb", "--quiet", "--define", "_topdir " + dir, "--define", "_rpmdir " + dir + "/out",
		"--define", "sources " + sources, "--define", "_binary_payload w0.gzdio", "--define", "clamp_mtime_to_source_date_epoch 1"}
	for name, value := range macros {
		args = append(args, "--define", name+" "+value)
	}
	build := exec.CommandContext(m.t.Context(), "rpmbuild", append(args, filepath.Join("testdata/rpm", spec+".spec"))...)
	// rpm replaces a configuration file that nobody has edited. It was packaged
	// before the running master loaded it.
	build.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000")
	if out, err := build.CombinedOutput(); err != nil {
		m.t.Fatalf("%v: %v\n%s", build.Args, err, out)
	}
	return m.copyRPMs(dir + "/out")
}

// ourRPM builds the project's package.
func (m *machine) ourRPM(version string) string {
	m.t.Helper()
	arch, err := exec.CommandContext(m.t.Context(), "dpkg", "--print-architecture").Output()
	if err != nil {
		nginxtest.Unable(m.t, "cannot tell the architecture: "+err.Error())
	}
	dir := m.t.TempDir()
	build := exec.CommandContext(m.t.Context(), "../../packaging/rpm/build", version, strings.TrimSpace(string(arch)), dir)
	if out, err := build.CombinedOutput(); err != nil {
		m.t.Fatalf("%v: %v\n%s", build.Args, err, out)
	}
	return m.copyRPMs(dir)
}

// copyRPMs puts what was built into the machine and returns the paths there.
func (m *machine) copyRPMs(dir string) string {
	m.t.Helper()
	var paths []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".rpm" {
			return err
		}
		to := "/root/" + filepath.Base(path)
		paths = append(paths, to)
		return m.CopyIn(path, to)
	})
	if err != nil || len(paths) == 0 {
		m.t.Fatalf("packages: %v, %v", paths, err)
	}
	return strings.Join(paths, " ")
}
