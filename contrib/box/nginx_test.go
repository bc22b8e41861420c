package box

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPatchVersion(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ in, from, to, want string }{
		"all":         {"nginx/1.22.1\x00 1.22.1\n(1.22.1)", "1.22.1", "1.22.9", "nginx/1.22.9\x00 1.22.9\n(1.22.9)"},
		"edges":       {"1.22.1", "1.22.1", "9.99.9", "9.99.9"},
		"longer":      {"1.22.10 11.22.1 0.1.22.1 1.22.1.0 1.22.1-", "1.22.1", "1.22.9", "1.22.10 11.22.1 0.1.22.1 1.22.1.0 1.22.9-"},
		"overlapping": {"1.1.1.1 1.1.1", "1.1.1", "2.2.2", "1.1.1.1 2.2.2"},
		"length":      {"nginx/1.22.1", "1.22.1", "1.22.10", ""},
		"absent":      {"nginx/1.22.2", "1.22.1", "1.22.9", ""},
		"empty":       {"nginx", "", "", ""},
	} {
		in := []byte(test.in)
		got, err := PatchVersion(in, test.from, test.to)
		if diff := cmp.Diff(test.want, string(got)); diff != "" || (err != nil) != (test.want == "") {
			t.Errorf("%s: %v %s", name, err, diff)
		}
		if string(in) != test.in {
			t.Errorf("%s: the input was changed", name)
		}
	}
}

// The host's nginx starts in a machine, and a newer one takes its place there alone.
func TestNewerNginx(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(nginxPath); err != nil {
		unable(t, err)
	}
	requireNewerNginx(t, Start(t, Options{}))
}

// requireNewerNginx needs a machine with an nginx unit that serves on port 80.
func requireNewerNginx(t *testing.T, b *Box) {
	t.Helper()
	b.Run(t, "echo 'server_tokens on;' >/etc/nginx/conf.d/tokens.conf; sed -i '/server_tokens/d' /etc/nginx/nginx.conf; systemctl restart nginx")
	const ask = "curl -sI http://127.0.0.1/ | grep -i ^server: | tr -d '\\r'"
	old := b.Run(t, nginxPath+" -v 2>&1 | cut -d/ -f2")
	if got := b.Run(t, ask); got != "Server: nginx/"+old {
		t.Fatalf("before: %s", got)
	}
	// The same number of digits, and never the same number.
	newer := old[:len(old)-1] + string('0'+(old[len(old)-1]-'0'+1)%10)
	b.NewerNginx(t, nginxPath, newer)
	// Its modules load: the configuration of Debian includes modules-enabled.
	b.Run(t, "nginx -t; systemctl restart nginx")
	if got := b.Run(t, ask); got != "Server: nginx/"+newer {
		t.Errorf("after: %s", got)
	}
	if got := b.Run(t, nginxPath+" -V 2>&1"); !strings.Contains(got, "nginx/"+newer) || strings.Contains(got, "nginx/"+old) {
		t.Errorf("-V says %s", got)
	}
}
