package nginx

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseOptions(t *testing.T) {
	tests := []struct {
		args []string // behind the program's name
		want Options
	}{
		{nil, Options{}},
		{[]string{"-c", "file"}, Options{Config: "file"}},
		{[]string{"-cfile"}, Options{Config: "file"}},
		{[]string{"-t", "-q", "-c", "file"}, Options{Config: "file"}},
		{[]string{"-tqc", "file"}, Options{Config: "file"}},
		{[]string{"-tqcfile"}, Options{Config: "file"}},
		{[]string{"-g", "a; b", "-p", "/srv/"}, Options{Globals: "a; b", Prefix: "/srv/"}},
		{[]string{"-ga; -c no;"}, Options{Globals: "a; -c no;"}},
		{[]string{"-p/srv"}, Options{Prefix: "/srv"}},
		{[]string{"-e", "-c", "-c", "file"}, Options{Config: "file"}}, // -e takes the first -c
		{[]string{"-s", "stop", "-c", "file"}, Options{Config: "file"}},
		{[]string{"-estderr", "-sstop", "-p", "x"}, Options{Prefix: "x"}},
		{[]string{"-c", "one", "-c", "two"}, Options{Config: "two"}},
		{[]string{"-c", "-p"}, Options{Config: "-p"}},
		{[]string{"-c"}, Options{}}, // nginx refuses these
		{[]string{"-"}, Options{}},
		{[]string{""}, Options{}},
		{[]string{"file"}, Options{}},
		{[]string{"--c", "file"}, Options{Config: "file"}},
		{[]string{"-\xff\xfe", "-c\xff"}, Options{Config: "\xff"}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, ParseOptions(append([]string{"nginx"}, test.args...))); diff != "" {
			t.Errorf("%q: %s", test.args, diff)
		}
	}
	if got := ParseOptions(nil); got != (Options{}) {
		t.Errorf("no arguments: %+v", got)
	}
}

func TestLocate(t *testing.T) {
	debian := Version{Configure: []string{"--prefix=/usr/share/nginx", "--conf-path=/etc/nginx/nginx.conf", "--pid-path=/run/nginx.pid"}}
	tests := []struct {
		name        string
		args        string
		version     Version
		config, pid string
	}{
		{"distribution", "", debian, "/etc/nginx/nginx.conf", "/run/nginx.pid"},
		{"source", "", Version{}, "/usr/local/nginx/conf/nginx.conf", "/usr/local/nginx/logs/nginx.pid"},
		{"-p with slash", "-p /srv/", Version{}, "/srv/conf/nginx.conf", "/srv/logs/nginx.pid"},
		{"-p without", "-p /srv", Version{}, "/srv/conf/nginx.conf", "/srv/logs/nginx.pid"},
		{"-p does not move absolute defaults", "-p /srv", debian, "/etc/nginx/nginx.conf", "/run/nginx.pid"},
		{"-p without, before 1.3.5", "-p /srv", Version{Name: "nginx", Number: "1.3.4"}, "/srvconf/nginx.conf", "/srvlogs/nginx.pid"},
		{"-p with slash, before 1.3.5", "-p /srv/", Version{Name: "nginx", Number: "1.0.15"}, "/srv/conf/nginx.conf", "/srv/logs/nginx.pid"},
		{"no -p, before 1.3.5", "", Version{Name: "nginx", Number: "1.0.15", Configure: []string{"--prefix=/opt/n"}},
			"/opt/n/conf/nginx.conf", "/opt/n/logs/nginx.pid"},
		{"-p without, since 1.3.5", "-p /srv", Version{Name: "nginx", Number: "1.3.5"}, "/srv/conf/nginx.conf", "/srv/logs/nginx.pid"},
		{"-p relative to the directory", "-p site/", Version{}, "/work dir/site/conf/nginx.conf", "/work dir/site/logs/nginx.pid"},
		{"-p relative upwards", "-p ../site", Version{}, "/site/conf/nginx.conf", "/site/logs/nginx.pid"},
		{"-c relative to the prefix", "-c my.conf", debian, "/usr/share/nginx/my.conf", "/run/nginx.pid"},
		{"-c relative to -p", "-p /srv -c etc/my.conf", debian, "/srv/etc/my.conf", "/run/nginx.pid"},
		{"-c absolute", "-p /srv -c /my.conf", Version{}, "/my.conf", "/srv/logs/nginx.pid"},
		{"in one word", "-p/srv -cmy.conf", Version{}, "/srv/my.conf", "/srv/logs/nginx.pid"},
		{"relative paths of the build", "", Version{Configure: []string{"--prefix=/opt/n", "--conf-path=etc/n.conf", "--pid-path=run/n.pid"}},
			"/opt/n/etc/n.conf", "/opt/n/run/n.pid"},
	}
	for _, test := range tests {
		f := Locate(append([]string{"nginx"}, strings.Fields(test.args)...), test.version, "/work dir")
		if f.Config != test.config || f.PID != test.pid {
			t.Errorf("%s: got %s and %s", test.name, f.Config, f.PID)
		}
	}
}

func TestConfiguredPID(t *testing.T) {
	dir := t.TempDir()
	root, err := openRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	tests := []struct{ name, globals, config, want string }{
		{"default", "daemon on;", "events {}\n", "/srv/logs/nginx.pid"},
		{"main file", "", "user x;\npid /run/a.pid;\n", "/run/a.pid"},
		{"relative to the prefix", "", "pid run/a.pid;", "/srv/run/a.pid"},
		{"-g", "daemon on; pid /run/g.pid;", "events {}", "/run/g.pid"},
		{"-g relative", "pid g.pid;", "", "/srv/g.pid"},
		{"not normal", "", "pid /var/../run//a.pid;", "/run/a.pid"},
	}
	for _, test := range tests {
		if err := os.WriteFile(filepath.Join(dir, "c.conf"), []byte(test.config), 0o644); err != nil {
			t.Fatal(err)
		}
		f := Locate([]string{"nginx", "-p", "/srv", "-c", "/c.conf", "-g", test.globals}, Version{}, "/")
		if got, err := f.ConfiguredPID(root); got != test.want || err != nil {
			t.Errorf("%s: got %s, %v", test.name, got, err)
		}
	}
	missing := Locate([]string{"nginx", "-c", "/missing", "-g", "pid /run/g.pid;"}, Version{}, "/")
	if got, err := missing.ConfiguredPID(root); err == nil {
		t.Errorf("without a configuration: got %s", got)
	}
}
