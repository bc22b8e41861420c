package supervisor_test

import (
	"os"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// A successor that does not know one of old's unix listeners would unlink its
// path: that is refused before anybody is signalled.
func TestRemovedUnixListener(t *testing.T) {
	n := start(t, traffic.Site{Unix: unixSocket(t)})
	stop := lightTraffic(t, n)
	config, err := os.ReadFile(n.ConfigPath())
	if err != nil {
		t.Fatal(err)
	}
	without := strings.Replace(string(config), "listen unix:"+n.Unix+";", "", 1)
	if without == string(config) {
		t.Fatal("the configuration has no unix listener")
	}
	if err := os.WriteFile(n.ConfigPath(), []byte(without), 0o644); err != nil {
		t.Fatal(err)
	}
	store, c := newStore(t), quick()
	s := supervisor.New(instanceOf(n, c), options(t, store, c))
	nginxtest.Install(t, n.Binary, newer(t, n))
	out := s.Once(t.Context(), request(supervisor.WaitDone))
	if out.Code != supervisor.ExitRejected || !strings.Contains(out.Text, "unix:"+n.Unix) || !strings.Contains(out.Text, "reload nginx first") {
		t.Errorf("got %+v", out)
	}
	// Reloaded, both agree.
	if err := os.WriteFile(n.ConfigPath(), config, 0o644); err != nil {
		t.Fatal(err)
	}
	if out := s.Once(t.Context(), request(supervisor.WaitDone)); out.Result != supervisor.Upgraded {
		t.Errorf("got %+v", out)
	}
	stop()
}
