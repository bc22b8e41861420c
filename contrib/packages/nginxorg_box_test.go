//go:build box

package packages

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

//go:embed testdata/nginx.org
var nginxOrg embed.FS

// nginxOrgFiles is what the fixture consists of beside the binary.
var nginxOrgFiles = []struct {
	from, to string
	mode     os.FileMode
}{
	{"postinst", "DEBIAN/postinst", 0o755},
	{"init", "etc/init.d/nginx", 0o755},
	{"nginx.service", "lib/systemd/system/nginx.service", 0o644},
	{"nginx.conf", "etc/nginx/nginx.conf", 0o644},
}

// nginxOrgPackage makes a package of Debian's binary with the scripts and the unit
// that nginx.org's packages have, and returns its path in the machine.
func (m *machine) nginxOrgPackage(version string, change Change) string {
	m.t.Helper()
	deb, err := m.archive.file("nginx")
	if err != nil {
		m.t.Fatal(err)
	}
	debian, err := Unpack(m.t.Context(), deb, filepath.Join(m.t.TempDir(), "debian"))
	if err != nil {
		m.t.Fatal(err)
	}
	if err := change(debian); err != nil {
		m.t.Fatal(err)
	}
	arch, err := debian.Field("Architecture")
	if err != nil {
		m.t.Fatal(err)
	}
	tree := Tree{m.t.TempDir()}
	for _, dir := range []string{"DEBIAN", "usr/sbin", "etc/init.d", "etc/nginx/conf.d", "lib/systemd/system", "var/log/nginx", "var/lib/nginx"} {
		if err := os.MkdirAll(tree.Path(dir), 0o755); err != nil {
			m.t.Fatal(err)
		}
	}
	if err := os.Rename(debian.Path(binaryPath), tree.Path(binaryPath)); err != nil {
		m.t.Fatal(err)
	}
	for _, f := range nginxOrgFiles {
		if err := os.WriteFile(tree.Path(f.to), m.fixture(f.from), f.mode); err != nil {
			m.t.Fatal(err)
		}
	}
	control := fmt.Sprintf(string(m.fixture("control")), version, arch)
	if err := os.WriteFile(tree.Path("DEBIAN/control"), []byte(control), 0o644); err != nil {
		m.t.Fatal(err)
	}
	file := filepath.Join(repoPath, "nginx-org-"+version+".deb")
	if err := tree.Pack(m.t.Context(), m.Path(file)); err != nil {
		m.t.Fatal(err)
	}
	return file
}

func (m *machine) fixture(name string) []byte {
	m.t.Helper()
	data, err := nginxOrg.ReadFile("testdata/nginx.org/" + name)
	if err != nil {
		m.t.Fatal(err)
	}
	return data
}

// nginx.org's package upgrades by its own init script, unverified: ours takes its
// place.
func TestBoxNginxOrg(t *testing.T) {
	m := boot(t, "bookworm")
	if out, exit := m.try("apt-get -q -y purge nginx nginx-common"); exit != 0 {
		t.Fatalf("apt-get purge: %d\n%s", exit, out)
	}
	if out, exit := m.try("dpkg -i " + m.nginxOrgPackage("1.22.1-1~bookworm", Nothing)); exit != 0 {
		t.Fatalf("dpkg -i: %d\n%s", exit, out)
	}
	m.site()
	m.sh("systemctl start nginx")
	m.under("nginx.org's package", "dpkg -i "+m.nginxOrgPackage("1.22.2-1~bookworm", Version('2')))

	m.installOurs(soonConfig)
	r := m.under("nginx.org's package", "dpkg -i "+m.nginxOrgPackage("1.22.3-1~bookworm", Version('3')))
	m.upgraded(r, supervisor.OriginDpkg)
	if got := m.sh(fmt.Sprintf("/proc/%d/exe -v 2>&1", r.after)); got != "nginx version: nginx/1.22.3" {
		t.Errorf("it runs %s", got)
	}
}
