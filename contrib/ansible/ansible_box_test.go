//go:build box

package ansible_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

const (
	nginxBinary      = "/usr/sbin/nginx"
	metricsDirectory = "/var/lib/prometheus/node-exporter"
	daemonDropIn     = "/etc/systemd/system/nginx-hotswap.service.d/50-ansible.conf"
)

// settings are those of the role's first run.
const settings = `{"nginx_hotswap_automatic": false, "nginx_hotswap_soak_sec": "1s", "nginx_hotswap_keep_old_sec": 0, "nginx_hotswap_reload_upgrades": true,
	"nginx_hotswap_textfile_directory": "` + metricsDirectory + `",
	"nginx_hotswap_settings": {"Supervisor": {"SettleSec": "500ms"}}, "nginx_hotswap_probes": [{"URL": "http://127.0.0.1/", "ExpectStatus": 200}]`

// machine is a booted box with nginx and this directory.
type machine struct {
	*box.Box
	t *testing.T
}

func TestBoxAnsible(t *testing.T) {
	playbook(t)
	if base := box.Base(t); base != "" && base != "/" {
		t.Skip("Ansible is installed on the host alone")
	}
	m := &machine{box.Start(t, box.Options{}), t}
	m.copyIn()
	deb := m.Deb(t, "0.1.0")
	m.Run(t, "rm -f /usr/sbin/policy-rc.d; systemctl restart nginx; mkdir -p "+metricsDirectory)
	before := m.Run(t, "systemctl show nginx -p MainPID")

	role := "role.yml -e '" + settings + `, "nginx_hotswap_package": "` + deb + `"}'`
	m.plays(0, role)
	if again := m.plays(0, role); !strings.Contains(again, "changed=0") {
		t.Errorf("the second run changes something:\n%s", again)
	}
	if got := m.Run(t, "systemctl show nginx -p MainPID"); got != before {
		t.Errorf("the role has restarted nginx: %s, then %s", before, got)
	}
	m.Run(t, "nginx-hotswap check-config; systemctl is-enabled nginx-hotswap; systemctl is-active nginx-hotswap; systemctl cat nginx | grep -q 'reload --unit'")
	m.Run(t, "timeout 20 sh -c 'until grep -q nginx_hotswap "+metricsDirectory+"/*.prom; do sleep 0.1; done'")
	m.plays(2, role[:len(role)-2]+`, "nginx_hotswap_soak_sec": "soon"}'`)
	m.Run(t, "grep -qx SoakSec=1s /etc/nginx-hotswap/nginx-hotswap.conf.d/50-ansible.conf")

	m.plays(0, role[:len(role)-2]+`, "nginx_hotswap_textfile_directory": ""}'`)
	m.Run(t, "! test -e "+daemonDropIn+" && ! systemctl cat nginx-hotswap | grep -q ReadWritePaths=-")

	rolling := `../rolling.yml -e '{"nginx_packages": []}'`
	m.NewerNginx(t, nginxBinary, "1.22.9")
	out := m.plays(0, rolling)
	if s := m.status(); s.Last == nil || s.Last.Result != supervisor.Upgraded || !strings.Contains(out, "second: 1.22.9 to 1.22.9") {
		t.Errorf("%+v\n%s", s.Last, out)
	}
	badnginx.InBox(t, m.Box, nginxBinary, badnginx.CrashAtStart, '8')
	out = m.plays(2, rolling)
	if s := m.status(); s.Last.Result != supervisor.RolledBack || strings.Contains(out, "[second]") {
		t.Errorf("the first host does not stop the others: %+v\n%s", s.Last, out)
	}
	m.Run(t, "nginx-hotswap hold nginx")
	if out := m.plays(0, rolling); !strings.Contains(out, "second is held") {
		t.Errorf("held hosts take part:\n%s", out)
	}
}

// copyIn puts the directory where the machine's Ansible finds it.
func (m *machine) copyIn() {
	m.t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path) // what a link leads to
		if err != nil {
			return err
		}
		return m.WriteFile(filepath.Join("/root/ansible", path), data, 0o644)
	})
	if err != nil {
		m.t.Fatal(err)
	}
}

// plays runs a playbook, which must end with the given exit status.
func (m *machine) plays(want int, args string) string {
	m.t.Helper()
	stdout, stderr, code, err := m.Try(m.t.Context(), "cd /root/ansible/testdata && export HOME=/root LC_ALL=C.UTF-8 && ansible-playbook -i hosts "+args)
	if err != nil {
		m.t.Fatal(err)
	}
	if code != want {
		m.t.Errorf("%s: exit status %d, not %d\n%s\n%s", args, code, want, stdout, stderr)
	}
	return stdout
}

func (m *machine) status() supervisor.Status {
	m.t.Helper()
	text, err := m.Status(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	var list []supervisor.Status
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) != 1 {
		m.t.Fatalf("%v, %d instances", err, len(list))
	}
	return list[0]
}
