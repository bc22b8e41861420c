package systemd

import (
	"slices"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"
)

func TestCloneOf(t *testing.T) {
	p := properties{}
	for name, v := range map[string]any{
		"User": "", "Group": "www-data", "PrivateTmp": false, "LimitNOFILE": uint64(1024), "Personality": "",
		"Environment":      []string{"SECRET=1"},
		"EnvironmentFiles": []pair{{true, "/etc/default/nginx"}},
		"PIDFile":          "/run/nginx.pid",
		"RuntimeDirectory": []string{"nginx"},
		"LogsDirectory":    []string{"nginx"},
		"SELinuxContext":   pair{true, "httpd_t"},
		"AppArmorProfile":  pair{},
		"SystemCallFilter": pairs{true, nil},
	} {
		p[name] = wire(t, dbus.MakeVariant(v))
	}
	props, err := cloneOf(p)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, p := range props {
		got[p.Name] = p.Value.String()
	}
	want := map[string]string{
		"Group": `"www-data"`, "PrivateTmp": "false", "LimitNOFILE": "@t 1024", "SELinuxContext": `"httpd_t"`,
		"SystemCallFilter": got["SystemCallFilter"],
		"ReadWritePaths":   `["-/run/nginx", "-/var/log/nginx"]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got["SystemCallFilter"] == "" {
		t.Error("an empty allow-list, which allows nothing, is not cloned")
	}
}

// pairs is an allow-list, (bas).
type pairs struct {
	Allow bool
	Names []string
}

func TestCloneBindsInOwnRoot(t *testing.T) {
	p := properties{
		"RootDirectory":    dbus.MakeVariant("/srv/root"),
		"RuntimeDirectory": dbus.MakeVariant([]string{"nginx"}),
	}
	want := []property{{"BindPaths", dbus.MakeVariant([]bindMount{{"/run/nginx", "/run/nginx", true, 0x4000}})}}
	if diff := cmp.Diff(want[0].Value.Value(), directories(p)[0].Value.Value()); diff != "" {
		t.Error(diff)
	}
}

func TestClonedNames(t *testing.T) {
	sorted := slices.Sorted(slices.Values(cloned))
	if n := len(slices.Compact(sorted)); n != len(cloned) {
		t.Errorf("%d names, %d different ones", len(cloned), n)
	}
	for _, name := range []string{"Environment", "EnvironmentFiles", "RuntimeDirectory", "StateDirectory", "PIDFile"} {
		if slices.Contains(cloned, name) {
			t.Errorf("%s must never be cloned", name)
		}
	}
}
