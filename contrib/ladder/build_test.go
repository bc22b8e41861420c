package ladder

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// What is built of this machine's own nginx loads nothing of this machine's.
func TestBuild(t *testing.T) {
	original := nginxtest.Distribution(t)
	if original != "/"+nginxPath {
		nginxtest.Unable(t, "this is no Debian: nginx is "+original)
	}
	dir := t.TempDir()
	Build(t, "/", dir, dir)
	binary := filepath.Join(dir, "nginx")
	want, err := nginx.ReadVersion(t.Context(), original)
	if err != nil {
		t.Fatal(err)
	}
	got, err := nginx.ReadVersion(t.Context(), binary)
	if err != nil {
		t.Fatal(err)
	}
	if got.Number != want.Number {
		t.Errorf("it is %s, not %s", got.Number, want.Number)
	}
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = []string{"LD_TRACE_LOADED_OBJECTS=1"} // ld.so(8): what ldd does
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	own := 0
	for line := range strings.Lines(string(out)) {
		path := strings.Fields(line)[0]
		if _, target, ok := strings.Cut(line, "=> "); ok {
			path = strings.Fields(target)[0]
		}
		switch {
		case strings.HasPrefix(path, dir+"/lib/"):
			own++
		case !strings.HasPrefix(path, "linux-vdso"):
			t.Errorf("it loads %s", strings.TrimSpace(line))
		}
	}
	if own < 3 {
		t.Errorf("it loads %d libraries:\n%s", own, out)
	}
}

func TestNeededRefuses(t *testing.T) {
	for name, program := range map[string]string{"text": "build_test.go", "nothing": "nowhere"} {
		if got, err := needed("/", program); err == nil {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if got, err := needed("/", "/proc/self/exe", "libof-no-release.so.9"); err == nil || !strings.Contains(err.Error(), "libof-no-release.so.9") {
		t.Errorf("a library that is not there: got %v, %v", got, err)
	}
}
