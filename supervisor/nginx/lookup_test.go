package nginx_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

func TestLookup(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"nginx.conf": "# listen 1;\nload_module modules/a.so;\nevents {}\nhttp { include more.conf; server { listen 80 reuseport; } }\n",
		"more.conf":  "server { listen unix:/run/x; server_name listen; }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := nginx.HostRoot()
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	main := filepath.Join(dir, "nginx.conf")
	f := nginx.Locate([]string{"nginx", "-p", dir, "-c", main, "-g", "load_module /b.so; daemon on;"}, nginx.Version{}, "/")
	want := []nginx.Directive{
		{File: "", Words: []string{"load_module", "/b.so"}},
		{File: main, Words: []string{"load_module", "modules/a.so"}},
		{File: main, Words: []string{"listen", "80", "reuseport"}},
		{File: filepath.Join(dir, "more.conf"), Words: []string{"listen", "unix:/run/x"}},
	}
	if diff := cmp.Diff(want, f.Lookup(root, "load_module", "listen")); diff != "" {
		t.Error(diff)
	}
	for name, path := range map[string]string{"modules/a.so": dir + "/modules/a.so", "/b.so": "/b.so"} {
		if got := f.Full(name); got != path {
			t.Errorf("%s: got %s, want %s", name, got, path)
		}
	}
}
