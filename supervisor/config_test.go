package supervisor_test

import (
	"os"
	"path/filepath"
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
			"Concurrency=2\nKeepHistory=3\n[Upgrade]\nTestTimeoutSec=4s\nStartTimeoutSec=5s\nSoakSec=6s\nKeepOldSec=7s\n" +
			"DrainTimeoutSec=8s\nDismissTimeoutSec=9s\nKeepBuilds=10\n"},
			func(c *supervisor.Config) {
				c.Units, c.Automatic, c.SettleSec, c.PackageLockTimeoutSec = []string{"a.service"}, false, time.Second, time.Minute
				c.Concurrency, c.KeepHistory = 2, 3
				c.Upgrade = supervisor.UpgradeConfig{TestTimeoutSec: 4 * time.Second, StartTimeoutSec: 5 * time.Second,
					SoakSec: 6 * time.Second, KeepOldSec: 7 * time.Second, DrainTimeoutSec: 8 * time.Second,
					DismissTimeoutSec: 9 * time.Second, KeepBuilds: 10}
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
		"instance.d/by-pid.conf":      "[Instance]\nPIDFile=/srv/nginx.pid\nTrustedOwner=www\n",
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
		{Name: "by-pid", PIDFile: "/srv/nginx.pid", TrustedOwner: "www", Upgrade: common},
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
		"in a drop-in":      {files{"hotswap.conf.d/a.conf": "[Upgrade]\nSokSec=1s\n"}, "hotswap.conf.d/a.conf", "unknown key"},
		"in an instance":    {files{"instance.d/a.conf": "[Instance]\nPidFile=/a\n"}, "instance.d/a.conf", "unknown key [Instance] PidFile= is ignored (did you mean PIDFile=?)"},
		"daemon's key":      {files{"instance.d/a.conf": "[Supervisor]\nAutomatic=no\n"}, "instance.d/a.conf", "unknown section [Supervisor] is ignored"},
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

func TestConfigErrors(t *testing.T) {
	long := "[Supervisor]\nUnits=" + strings.Repeat("a.service ", 1000) + "\n"
	for name, tt := range map[string]struct {
		files files
		says  []string
	}{
		"boolean":               {files{"hotswap.conf": "[Supervisor]\nAutomatic=maybe\n"}, []string{"hotswap.conf: [Supervisor] Automatic=:", `"maybe"`}},
		"empty boolean":         {files{"hotswap.conf": "[Supervisor]\nAutomatic=\n"}, []string{"[Supervisor] Automatic=:"}},
		"number":                {files{"hotswap.conf": "[Supervisor]\nConcurrency=two\n"}, []string{"hotswap.conf: [Supervisor] Concurrency=:", `"two"`}},
		"number zero":           {files{"hotswap.conf": "[Upgrade]\nKeepBuilds=0\n"}, []string{"[Upgrade] KeepBuilds=:", "from 1 on"}},
		"number negative":       {files{"hotswap.conf": "[Supervisor]\nKeepHistory=-1\n"}, []string{"[Supervisor] KeepHistory=:"}},
		"number too big":        {files{"hotswap.conf": "[Supervisor]\nKeepHistory=99999999999999999999\n"}, []string{"[Supervisor] KeepHistory=:"}},
		"time span":             {files{"hotswap.conf": "[Upgrade]\nSoakSec=soon\n"}, []string{"hotswap.conf: [Upgrade] SoakSec=:", `"soon"`}},
		"time span empty":       {files{"hotswap.conf": "[Upgrade]\nSoakSec=\n"}, []string{"[Upgrade] SoakSec=:"}},
		"in a drop-in":          {files{"hotswap.conf.d/a.conf": "[Upgrade]\nSoakSec=soon\n"}, []string{"hotswap.conf.d/a.conf: [Upgrade] SoakSec=:"}},
		"in an instance":        {files{"instance.d/a.conf": "[Upgrade]\nSoakSec=soon\n"}, []string{"instance.d/a.conf: [Upgrade] SoakSec=:"}},
		"relative pid file":     {files{"instance.d/a.conf": "[Instance]\nPIDFile=nginx.pid\n"}, []string{"instance.d/a.conf: [Instance] PIDFile=:", "absolute"}},
		"name with a slash":     {files{"instance.d/a.conf": "[Instance]\nName=../../etc\n"}, []string{"[Instance] Name=:"}},
		"name with a dot":       {files{"instance.d/a.conf": "[Instance]\nName=.hidden\n"}, []string{"[Instance] Name=:"}},
		"name like an option":   {files{"instance.d/a.conf": "[Instance]\nName=-f\n"}, []string{"[Instance] Name=:"}},
		"empty name":            {files{"instance.d/a.conf": "[Instance]\nName=\n"}, []string{"[Instance] Name=:"}},
		"name with NUL":         {files{"instance.d/a.conf": "[Instance]\nName=a\x00b\n"}, []string{"instance.d/a.conf"}},
		"unit and pid file":     {files{"instance.d/a.conf": "[Instance]\nUnit=a.service\nPIDFile=/a\n"}, []string{"instance.d/a.conf", "Unit=", "PIDFile=", "exclude"}},
		"unit with a slash":     {files{"instance.d/a.conf": "[Instance]\nUnit=../a.service\n"}, []string{"instance.d/a.conf"}},
		"unit that is a socket": {files{"instance.d/a.conf": "[Instance]\nUnit=nginx.socket\n"}, []string{"instance.d/a.conf: [Instance] Unit=:"}},
		"two of one name": {files{"instance.d/a.conf": "[Instance]\nName=x\nPIDFile=/a\n", "instance.d/b.conf": "[Instance]\nName=x\nPIDFile=/b\n"},
			[]string{"instance.d/b.conf", `"x"`}},
		"line over the limit": {files{"hotswap.conf": long}, []string{"hotswap.conf", "line too long"}},
		"file over the limit": {files{"hotswap.conf": strings.Repeat("# a comment to fill the file\n", 40000) + "[Upgrade]\nSoakSec=1s\n"}, []string{"hotswap.conf"}},
		"NUL bytes in a path": {files{"instance.d/a.conf": "[Instance]\nPIDFile=/a\x00b\n"}, []string{"instance.d/a.conf"}},
		"NUL bytes":           {files{"hotswap.conf": "[Supervisor]\nUnits=a\x00b.service\n"}, []string{"hotswap.conf"}},
		"not a configuration": {files{"hotswap.conf": "[Supervisor\nAutomatic=no\n"}, []string{"hotswap.conf"}},
		"key without value":   {files{"hotswap.conf": "[Supervisor]\nAutomatic\n"}, []string{"hotswap.conf"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, warnings, err := tt.files.load(t)
			if err == nil {
				t.Fatalf("want an error, got %+v, warnings %v", got, warnings)
			}
			if diff := cmp.Diff(supervisor.Config{}, got); diff != "" {
				t.Errorf("with an error comes a configuration: %s", diff)
			}
			for _, s := range tt.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("the error is %q, it lacks %q", err, s)
				}
			}
		})
	}
}

func TestConfigFilesThatAreNone(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, main string) string{
		"a directory": func(t *testing.T, main string) string {
			mkdir(t, main)
			return main
		},
		"a directory as drop-in": func(t *testing.T, main string) string {
			mkdir(t, main+".d/a.conf")
			return main + ".d/a.conf"
		},
		"a dangling drop-in": func(t *testing.T, main string) string {
			mkdir(t, main+".d")
			if err := os.Symlink("nowhere", main+".d/a.conf"); err != nil {
				t.Fatal(err)
			}
			return main + ".d/a.conf"
		},
		"a file as drop-in directory": func(t *testing.T, main string) string {
			if err := os.WriteFile(main+".d", nil, 0o644); err != nil {
				t.Fatal(err)
			}
			return main + ".d"
		},
		"unreadable": func(t *testing.T, main string) string {
			if os.Geteuid() == 0 {
				t.Skip("root can read everything")
			}
			if err := os.WriteFile(main, nil, 0); err != nil {
				t.Fatal(err)
			}
			return main
		},
	} {
		t.Run(name, func(t *testing.T) {
			main := files{}.write(t)
			culprit := spoil(t, main)
			got, _, err := supervisor.LoadConfig(main)
			if err == nil || !strings.Contains(err.Error(), culprit) {
				t.Errorf("got %+v, error %v, want one about %s", got, err, culprit)
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

// FuzzConfig checks that there is either an error or a configuration that
// every part of the program can work with.
func FuzzConfig(f *testing.F) {
	f.Add("[Supervisor]\nUnits=a.service b.service\nAutomatic=no\n", "[Instance]\nName=x\nPIDFile=/a\n")
	f.Add("[Upgrade]\nSoakSec=infinity\nKeepBuilds=3\n", "[Instance]\nUnit=web.service\n[Upgrade]\nSoakSec=1h 3min\n")
	f.Add("[Supervisor]\nUnits=\\\n\n", "[Instance]\nUnit=/.service\n")
	f.Add("\x00[\n]=", "[Instance]\nUnit=.service\n")
	f.Add("#\\\n[Upgrade]\nSoakSec=1s\\\n2s\n", "[Instance]\nUnit=x\nPIDFile=\n")
	f.Fuzz(func(t *testing.T, main, instance string) {
		c, _, err := files{"hotswap.conf": main, "instance.d/i.conf": instance}.load(t)
		if err != nil {
			return
		}
		if c.Concurrency < 1 || c.KeepHistory < 1 || c.SettleSec < 0 || c.PackageLockTimeoutSec < 0 {
			t.Errorf("unusable: %+v", c)
		}
		for _, u := range c.Units {
			if strings.ContainsAny(u, " \\/\x00") {
				t.Errorf("unusable pattern %q", u)
			}
		}
		if len(c.Instances) != 1 {
			t.Fatalf("%d instances", len(c.Instances))
		}
		checkInstance(t, c.Instances[0])
	})
}

func checkInstance(t *testing.T, i supervisor.InstanceConfig) {
	t.Helper()
	if i.Name == "" || strings.ContainsAny(i.Name, "/\x00 ") || i.Name[0] == '.' || i.Name[0] == '-' {
		t.Errorf("unusable name %q", i.Name)
	}
	if (i.Unit == "") == (i.PIDFile == "") {
		t.Errorf("unit %q, pid file %q", i.Unit, i.PIDFile)
	}
	if i.Unit != "" && (!strings.HasSuffix(i.Unit, ".service") || strings.ContainsAny(i.Unit, "/\x00 ")) {
		t.Errorf("unusable unit %q", i.Unit)
	}
	if strings.Contains(i.PIDFile, "\x00") {
		t.Errorf("unusable pid file %q", i.PIDFile)
	}
	u := i.Upgrade
	for _, d := range []time.Duration{u.TestTimeoutSec, u.StartTimeoutSec, u.SoakSec, u.KeepOldSec, u.DrainTimeoutSec, u.DismissTimeoutSec} {
		if d < 0 {
			t.Errorf("unusable: %+v", u)
		}
	}
	if u.KeepBuilds < 1 {
		t.Errorf("unusable: %+v", u)
	}
}
