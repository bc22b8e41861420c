package supervisor_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// files are the contents of a configuration directory by name.
type files map[string]string

// write returns the path of the main file, which need not be among them.
func (f files) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range f {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "hotswap.conf")
}

func (f files) load(t *testing.T) (supervisor.Config, []supervisor.Warning, error) {
	t.Helper()
	return supervisor.LoadConfig(f.write(t))
}

func TestLoadConfig(t *testing.T) {
	units := supervisor.Defaults().Units
	for name, tt := range map[string]struct {
		files files
		want  func(*supervisor.Config)
	}{
		"no file":    {files{}, func(*supervisor.Config) {}},
		"empty file": {files{"hotswap.conf": ""}, func(*supervisor.Config) {}},
		"comments":   {files{"hotswap.conf": "# [Supervisor]\n; Automatic=no\n[Supervisor]\n# Automatic=no\n;Automatic=no\n"}, func(*supervisor.Config) {}},
		"every key": {files{"hotswap.conf": "[Supervisor]\nUnits=a.service\nAutomatic=no\nSettleSec=1s\nPackageLockTimeoutSec=1min\n" +
			"WatchLibraries=no\nHookTimeoutSec=2min\nHoldPackageRestart=no\nPackageResult=fail\n" +
			"Concurrency=2\nKeepHistory=3\nOnResultUnit=mail@.service\n[Metrics]\nTextfileDirectory=/tmp/m\n[Upgrade]\nTestTimeoutSec=4s\nStartTimeoutSec=5s\nSoakSec=6s\nKeepOldSec=7s\n" +
			"DrainTimeoutSec=8s\nDismissTimeoutSec=9s\nRetainSec=12s\nKeepBuilds=10\nConfirm=manual\nConfirmTimeoutSec=11s\n" +
			"OnBadBinary=leave\n[Probe]\nDifferential=no\n"},
			func(c *supervisor.Config) {
				c.Units, c.Automatic, c.SettleSec, c.PackageLockTimeoutSec = []string{"a.service"}, false, time.Second, time.Minute
				c.WatchLibraries, c.HookTimeoutSec, c.HoldPackageRestart, c.PackageResultFails = false, 2*time.Minute, false, true
				c.Concurrency, c.KeepHistory = 2, 3
				c.OnResultUnit, c.TextfileDirectory = "mail@.service", "/tmp/m"
				c.Upgrade = supervisor.UpgradeConfig{TestTimeoutSec: 4 * time.Second, StartTimeoutSec: 5 * time.Second,
					SoakSec: 6 * time.Second, KeepOldSec: 7 * time.Second, DrainTimeoutSec: 8 * time.Second,
					DismissTimeoutSec: 9 * time.Second, RetainSec: 12 * time.Second, KeepBuilds: 10, ConfirmManual: true, ConfirmTimeoutSec: 11 * time.Second,
					LeaveBadBinary: true, Differential: false}
			}},
		"white space and CRLF": {files{"hotswap.conf": "[Supervisor]\r\n  Automatic = no  \r\n\r\n[Upgrade]\r\nSoakSec\t=\t1min 30s\r\n"},
			func(c *supervisor.Config) { c.Automatic, c.Upgrade.SoakSec = false, 90*time.Second }},
		"the last one counts": {files{"hotswap.conf": "[Upgrade]\nSoakSec=1s\nSoakSec=2s\n[Supervisor]\n[Upgrade]\nSoakSec=3s\n"},
			func(c *supervisor.Config) { c.Upgrade.SoakSec = 3 * time.Second }},
		"drop-ins after the file, by name": {files{
			"hotswap.conf":              "[Upgrade]\nSoakSec=1s\nKeepOldSec=1s\nKeepBuilds=1\n",
			"hotswap.conf.d/20-b.conf":  "[Upgrade]\nSoakSec=3s\n",
			"hotswap.conf.d/10-a.conf":  "[Upgrade]\nSoakSec=2s\nKeepOldSec=2s\n",
			"hotswap.conf.d/99-c.conf~": "[Upgrade]\nSoakSec=4s\n",
			"hotswap.conf.d/.99.conf":   "[Upgrade]\nSoakSec=5s\n",
		}, func(c *supervisor.Config) {
			c.Upgrade.SoakSec, c.Upgrade.KeepOldSec, c.Upgrade.KeepBuilds = 3*time.Second, 2*time.Second, 1
		}},
		"drop-in without a file": {files{"hotswap.conf.d/a.conf": "[Supervisor]\nAutomatic=off\n"},
			func(c *supervisor.Config) { c.Automatic = false }},
		"a list replaces the default": {files{"hotswap.conf": "[Supervisor]\nUnits=a.service b.service\n"},
			func(c *supervisor.Config) { c.Units = []string{"a.service", "b.service"} }},
		"a list is appended to": {files{"hotswap.conf": "[Supervisor]\nUnits=a.service\nUnits=b.service\n",
			"hotswap.conf.d/a.conf": "[Supervisor]\nUnits=c.service\n"},
			func(c *supervisor.Config) { c.Units = []string{"a.service", "b.service", "c.service"} }},
		"a drop-in clears a list": {files{"hotswap.conf": "[Supervisor]\nUnits=a.service\n",
			"hotswap.conf.d/a.conf": "[Supervisor]\nUnits=\nUnits=b.service\n"},
			func(c *supervisor.Config) { c.Units = []string{"b.service"} }},
		"an empty list stays empty": {files{"hotswap.conf": "[Supervisor]\nUnits=\n"},
			func(c *supervisor.Config) { c.Units = []string{} }},
		"empty is none": {files{"hotswap.conf": "[Supervisor]\nOnResultUnit=a.service\n[Metrics]\nTextfileDirectory=/a\n",
			"hotswap.conf.d/a.conf": "[Supervisor]\nOnResultUnit=\n[Metrics]\nTextfileDirectory=\n"}, func(*supervisor.Config) {}},
		"a list goes on in the next line": {files{"hotswap.conf": "[Supervisor]\nUnits=a.service \\\n b.service\n"},
			func(c *supervisor.Config) { c.Units = []string{"a.service", "b.service"} }},
		"a section alone": {files{"hotswap.conf": "[Supervisor]\n[Upgrade]\n"},
			func(c *supervisor.Config) { c.Units = units }},
	} {
		t.Run(name, func(t *testing.T) {
			got, warnings, err := tt.files.load(t)
			if err != nil || len(warnings) > 0 {
				t.Fatalf("error %v, warnings %v", err, warnings)
			}
			want := supervisor.Defaults()
			tt.want(&want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whoever uncomments a line of the file that is installed has changed nothing.
func TestInstalledFile(t *testing.T) {
	data, err := os.ReadFile("../packaging/etc/nginx-hotswap.conf")
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(data), "\n#[Probe]") // an example, of keys that exclude each other
	setting := regexp.MustCompile(`(?m)^#([A-Z][A-Za-z]+=)`)
	if n := len(setting.FindAllString(text, -1)); n < 20 {
		t.Fatalf("only %d settings were found", n)
	}
	got, warnings, err := files{"hotswap.conf": setting.ReplaceAllString(text, "$1")}.load(t)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("error %v, warnings %v", err, warnings)
	}
	if diff := cmp.Diff(supervisor.Defaults(), got); diff != "" {
		t.Errorf("defaults (-), installed file (+):\n%s", diff)
	}
}

func TestBooleans(t *testing.T) {
	for text, want := range map[string]bool{
		"1": true, "yes": true, "Yes": true, "y": true, "true": true, "t": true, "on": true, "ON": true,
		"0": false, "no": false, "n": false, "false": false, "f": false, "off": false,
	} {
		c, _, err := files{"hotswap.conf": "[Supervisor]\nAutomatic=" + text + "\n"}.load(t)
		if err != nil || c.Automatic != want {
			t.Errorf("Automatic=%s gives %v, %v", text, c.Automatic, err)
		}
	}
}

func TestInstances(t *testing.T) {
	got, warnings, err := files{
		"hotswap.conf":                "[Upgrade]\nSoakSec=1s\nKeepOldSec=1s\n",
		"instance.d/blog.conf":        "",
		"instance.d/by-unit.conf":     "[Instance]\nUnit=web@blue.service\n[Upgrade]\nSoakSec=2s\n",
		"instance.d/by-name.conf":     "[Instance]\nName=shop\nUnit=nginx-shop.service\n",
		"instance.d/by-pid.conf":      "[Instance]\nPIDFile=/srv/nginx.pid\nTrustedOwner=nobody\n",
		"instance.d/by-pid-name.conf": "[Instance]\nName=named\nPIDFile=/srv/named.pid\n",
		"instance.d/README":           "no configuration",
	}.load(t)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	common := supervisor.Defaults().Upgrade
	common.SoakSec, common.KeepOldSec = time.Second, time.Second
	own := common
	own.SoakSec = 2 * time.Second
	want := []supervisor.InstanceConfig{
		{Name: "blog", Unit: "blog.service", Upgrade: common},
		{Name: "shop", Unit: "nginx-shop.service", Upgrade: common},
		{Name: "named", PIDFile: "/srv/named.pid", Upgrade: common},
		{Name: "by-pid", PIDFile: "/srv/nginx.pid", TrustedOwner: "nobody", Upgrade: common},
		{Name: "web@blue", Unit: "web@blue.service", Upgrade: own},
	}
	if diff := cmp.Diff(want, got.Instances); diff != "" {
		t.Error(diff)
	}
	if i := got.Instance("web@blue"); i.Upgrade.SoakSec != 2*time.Second {
		t.Errorf("Instance gives %+v", i)
	}
	unknown := supervisor.InstanceConfig{Name: "other", Upgrade: common}
	if diff := cmp.Diff(unknown, got.Instance("other")); diff != "" {
		t.Error(diff)
	}
}

func TestConfigWarnings(t *testing.T) {
	for name, tt := range map[string]struct {
		files files
		file  string
		says  string
	}{
		"unknown section":   {files{"hotswap.conf": "[Supervsior]\nAutomatic=no\n"}, "hotswap.conf", "unknown section [Supervsior] is ignored (did you mean [Supervisor]?)"},
		"no such section":   {files{"hotswap.conf": "[Telemetry]\nURL=no\n"}, "hotswap.conf", "unknown section [Telemetry] is ignored"},
		"unknown key":       {files{"hotswap.conf": "[Upgrade]\nSokSec=1s\n"}, "hotswap.conf", "unknown key [Upgrade] SokSec= is ignored (did you mean SoakSec=?)"},
		"key in lower case": {files{"hotswap.conf": "[Upgrade]\nsoaksec=1s\n"}, "hotswap.conf", "unknown key [Upgrade] soaksec= is ignored (did you mean SoakSec=?)"},
		"no such key":       {files{"hotswap.conf": "[Upgrade]\nColour=red\n"}, "hotswap.conf", "unknown key [Upgrade] Colour= is ignored"},
		"another section's": {files{"hotswap.conf": "[Supervisor]\nSoakSec=1s\n"}, "hotswap.conf", "[Supervisor] SoakSec= is ignored: it belongs to [Upgrade]"},
		"unknown owner":     {files{"instance.d/a.conf": "[Instance]\nTrustedOwner=nobody-at-all\n"}, "instance.d/a.conf", "[Instance] TrustedOwner=nobody-at-all trusts nobody: user: unknown user nobody-at-all"},
		"an instance's":     {files{"hotswap.conf": "[Supervisor]\nPIDFile=/a\n"}, "hotswap.conf", "[Supervisor] PIDFile= is ignored: it belongs to [Instance] in a file of instance.d"},
		"in a drop-in":      {files{"hotswap.conf.d/a.conf": "[Upgrade]\nSokSec=1s\n"}, "hotswap.conf.d/a.conf", "unknown key"},
		"in an instance":    {files{"instance.d/a.conf": "[Instance]\nPidFile=/a\n"}, "instance.d/a.conf", "unknown key [Instance] PidFile= is ignored (did you mean PIDFile=?)"},
		"metrics":           {files{"instance.d/a.conf": "[Metrics]\nTextfileDirectory=/a\n"}, "instance.d/a.conf", "section [Metrics] is ignored: it does not belong in this file"},
		"daemon's key":      {files{"instance.d/a.conf": "[Supervisor]\nAutomatic=no\n"}, "instance.d/a.conf", "section [Supervisor] is ignored"},
		"before a section":  {files{"hotswap.conf": "Automatic=no\n[Upgrade]\n"}, "hotswap.conf", "Automatic="},
	} {
		t.Run(name, func(t *testing.T) {
			main := tt.files.write(t)
			got, warnings, err := supervisor.LoadConfig(main)
			if err != nil {
				t.Fatal(err)
			}
			want := filepath.Join(filepath.Dir(main), tt.file)
			if len(warnings) != 1 || warnings[0].File != want || !strings.HasPrefix(warnings[0].Text, tt.says) && !strings.Contains(warnings[0].Text, tt.says) {
				t.Errorf("got warnings %v, want one for %s: %s", warnings, tt.file, tt.says)
			}
			defaults := supervisor.Defaults()
			got.Instances = nil
			if diff := cmp.Diff(defaults, got); diff != "" {
				t.Errorf("it was not ignored: %s", diff)
			}
		})
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}
