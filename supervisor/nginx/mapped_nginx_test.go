package nginx_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// startWithModule runs a server that has loaded a module from its own
// directory, and returns where that is.
func startWithModule(t *testing.T) (n *nginxtest.Nginx, module string) {
	t.Helper()
	data, err := os.ReadFile(streamModule)
	if err != nil {
		nginxtest.Unable(t, "the stream module is not installed (apt-get install libnginx-mod-stream)")
	}
	dir := t.TempDir()
	module = filepath.Join(dir, "my modules", "modules", "stream.so")
	if err := os.MkdirAll(filepath.Dir(module), 0o755); err != nil {
		t.Fatal(err)
	}
	nginxtest.Install(t, module, data)
	n = nginxtest.Prepare(t, traffic.Site{})
	config, err := os.ReadFile(n.ConfigPath())
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, n.ConfigPath(), `load_module "`+module+`";`+"\n"+string(config))
	n.Run(t)
	return n, module
}

func mapped(t *testing.T, pid int, path string) nginx.Mapped {
	t.Helper()
	all, err := nginx.ReadMapped(pid)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(m nginx.Mapped) bool { return m.Path == path })
	if i < 0 {
		t.Fatalf("%s is not among %+v", path, all)
	}
	return all[i]
}

func TestReadMapped(t *testing.T) {
	n, module := startWithModule(t)
	all, err := nginx.ReadMapped(n.Master)
	if err != nil {
		t.Fatal(err)
	}
	var modules []string
	for _, m := range all {
		if m.Path == n.Binary || m.Deleted {
			t.Errorf("%+v is no module or library in its place", m)
		}
		if m.Module() {
			modules = append(modules, m.Path)
		}
	}
	if diff := cmp.Diff([]string{module}, modules); diff != "" {
		t.Error(diff)
	}
	if len(all) < 3 {
		t.Errorf("libraries are missing: %+v", all)
	}
	opensAs(t, mapped(t, n.Master, module), streamModule)
}

// opensAs checks that what is mapped has the contents of a file.
func opensAs(t *testing.T, m nginx.Mapped, path string) {
	t.Helper()
	f, err := m.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := nginx.HashFile(f)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	if sha, err := nginx.HashFile(want); err != nil || got != sha {
		t.Errorf("%s opens as %s, not %s, %v", m.Path, got, sha, err)
	}
}

// What a master has mapped can be read after it was replaced, and after it was
// removed.
func TestReadMappedReplaced(t *testing.T) {
	needTracing(t)
	n, module := startWithModule(t)
	nginxtest.Install(t, module, []byte("a newer module"))
	m := mapped(t, n.Master, module)
	if !m.Deleted || !m.Module() {
		t.Errorf("replaced: %+v", m)
	}
	opensAs(t, m, streamModule)
	if err := os.Remove(module); err != nil {
		t.Fatal(err)
	}
	opensAs(t, mapped(t, n.Master, module), streamModule)
}

func TestReadMappedOfNobody(t *testing.T) {
	c := startChild(t, "exit 0")
	c.end(t)
	if all, err := nginx.ReadMapped(c.PID); err == nil && len(all) > 0 {
		t.Errorf("a process that has ended has mapped %+v", all)
	}
}
