package supervisor_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

func TestConfigErrors(t *testing.T) {
	long := "[Supervisor]\nUnits=" + strings.Repeat("a.service ", 1000) + "\n"
	for name, tt := range map[string]struct {
		files files
		says  []string
	}{
		"boolean":               {files{"hotswap.conf": "[Supervisor]\nAutomatic=maybe\n"}, []string{"hotswap.conf: [Supervisor] Automatic=:", `"maybe"`}},
		"empty boolean":         {files{"hotswap.conf": "[Supervisor]\nAutomatic=\n"}, []string{"[Supervisor] Automatic=:"}},
		"number":                {files{"hotswap.conf": "[Supervisor]\nConcurrency=two\n"}, []string{"hotswap.conf: [Supervisor] Concurrency=:", `"two"`}},
		"number zero":           {files{"hotswap.conf": "[Upgrade]\nKeepBuilds=0\n"}, []string{"[Upgrade] KeepBuilds=:", "from 1 to 1048576"}},
		"number negative":       {files{"hotswap.conf": "[Supervisor]\nKeepHistory=-1\n"}, []string{"[Supervisor] KeepHistory=:"}},
		"number too big":        {files{"hotswap.conf": "[Supervisor]\nKeepHistory=99999999999999999999\n"}, []string{"[Supervisor] KeepHistory=:"}},
		"time span":             {files{"hotswap.conf": "[Upgrade]\nSoakSec=soon\n"}, []string{"hotswap.conf: [Upgrade] SoakSec=:", `"soon"`}},
		"time span empty":       {files{"hotswap.conf": "[Upgrade]\nSoakSec=\n"}, []string{"[Upgrade] SoakSec=:"}},
		"in a drop-in":          {files{"hotswap.conf.d/a.conf": "[Upgrade]\nSoakSec=soon\n"}, []string{"hotswap.conf.d/a.conf: [Upgrade] SoakSec=:"}},
		"probe in a drop-in":    {files{"hotswap.conf.d/a.conf": "[Probe]\nURL=ftp://localhost/\n"}, []string{"hotswap.conf.d/a.conf: [Probe]"}},
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
		"not UTF-8":           {files{"hotswap.conf": "[Supervisor]\nUnits=\xe4.service\n"}, []string{"hotswap.conf"}},
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
