package supervisor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// Nobody is told of QUIC who has none, or who has bounded the drain.
func TestSharesQUIC(t *testing.T) {
	root, err := nginx.HostRoot()
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, tt := range map[string]struct {
		text  string
		drain time.Duration
		told  bool
	}{
		"quic":           {"listen 443 quic reuseport;", Infinity, true},
		"bounded":        {"listen 443 quic;", time.Minute, false},
		"none":           {"listen 443 ssl;", Infinity, false},
		"another's name": {"listen quic; server_name quic; # listen 1 quic;", Infinity, false},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "nginx.conf")
			if err := os.WriteFile(file, []byte("http { server { "+tt.text+" } }"), 0o644); err != nil {
				t.Fatal(err)
			}
			m := &master{root: root, files: nginx.Files{Config: file}}
			got := m.sharesQUIC(UpgradeConfig{DrainTimeoutSec: tt.drain})
			if told := strings.Contains(got, "QUIC"); told != tt.told {
				t.Errorf("got %q", got)
			}
		})
	}
}
