package probe

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/freeport"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

const streamModule = "/usr/lib/nginx/modules/ngx_stream_module.so"

// everything is a server with every kind of listener. The two sites of one are
// told apart by name.
type everything struct {
	*nginxtest.Nginx
	ports map[string]string
}

func startEverything(t *testing.T) everything {
	t.Helper()
	if _, err := os.Stat(streamModule); err != nil {
		nginxtest.Unable(t, "nginx's stream module is not installed (apt-get install libnginx-mod-stream)")
	}
	n := nginxtest.Prepare(t, traffic.Site{})
	e := everything{n, map[string]string{"http": n.Listen}}
	for _, name := range []string{"https", "reject", "444", "proxy", "proxys", "stream", "dead"} {
		e.ports[name] = freeport.Address(t)
	}
	e.ports["unix"] = filepath.Join(n.Dir, "s.sock")
	e.certify(t, soon())
	e.configure(t, "return 204;")
	n.Run(t)
	return e
}

// certify writes another certificate.
func (e everything) certify(t *testing.T, until time.Time) tls.Certificate {
	t.Helper()
	cert, certPEM, keyPEM := certificate(t, until, "one.example", "two.example")
	for name, data := range map[string][]byte{"cert.pem": certPEM, "key.pem": keyPEM} {
		if err := os.WriteFile(filepath.Join(e.Dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert
}

func (e everything) configure(t *testing.T, root string) {
	t.Helper()
	text := strings.NewReplacer(
		"PREFIX", e.Dir, "MODULE", streamModule, "HTTP", e.ports["http"], "REJECT", e.ports["reject"], "HTLS", e.ports["https"],
		"UNIX", e.ports["unix"], "P444", e.ports["444"], "PROXYTLS", e.ports["proxys"], "PROXIED", e.ports["proxy"],
		"STREAM", e.ports["stream"], "DEAD", e.ports["dead"], "ROOT", root,
	).Replace(`
load_module MODULE;
worker_processes 2;
pid PREFIX/nginx.pid;
error_log PREFIX/error.log notice;
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path PREFIX/t1; proxy_temp_path PREFIX/t2; fastcgi_temp_path PREFIX/t3; uwsgi_temp_path PREFIX/t4; scgi_temp_path PREFIX/t5;
    ssl_certificate PREFIX/cert.pem;
    ssl_certificate_key PREFIX/key.pem;
    server {
        listen HTTP; listen unix:UNIX; listen HTLS ssl;
        listen PROXIED proxy_protocol; listen PROXYTLS ssl proxy_protocol;
        location / { ROOT }
    }
    server {
        listen HTLS ssl;
        server_name two.example;
        location / { return 301 https://one.example/; }
    }
    server { listen P444; return 444; }
    server { listen REJECT ssl; ssl_reject_handshake on; }
}
stream {
    server { listen STREAM; return "220 hello\n"; }
    server { listen DEAD; proxy_pass 127.0.0.1:1; }
}
`)
	if err := os.WriteFile(e.ConfigPath(), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// reload waits until only new workers accept.
func (e everything) reload(t *testing.T) {
	t.Helper()
	master, err := nginx.Open(e.Master)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	before, err := nginx.ReadTree(master.ID)
	if err != nil {
		t.Fatal(err)
	}
	old := map[nginx.ID]bool{}
	for _, c := range before.With(nginx.RoleWorker) {
		old[c.ID] = true
	}
	if err := master.Signal(unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	nginxtest.Eventually(t, "nginx has reloaded", func() bool {
		tree, err := nginx.ReadTree(master.ID)
		if err != nil {
			return false
		}
		workers := tree.With(nginx.RoleWorker)
		for _, c := range workers {
			if old[c.ID] {
				return false
			}
		}
		return len(workers) == 2 && len(tree.With(nginx.RoleStarting)) == 0
	})
}

func TestRealNginx(t *testing.T) {
	e := startEverything(t)
	master, err := nginx.Open(e.Master)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	listeners, err := master.Listeners()
	if err != nil {
		nginxtest.Unable(t, fmt.Sprintf("cannot see the listeners: %v", err))
	}
	in, err := OpenNamespace(e.Master)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	learner := Learner{In: in, Root: fmt.Sprintf("/proc/%d/root", e.Master), Names: []string{"one.example", "two.example"}}
	d := learner.Learn(t.Context(), listeners)

	u := learner.Root + e.ports["unix"]
	want := map[string]string{"https " + e.ports["https"] + " (two.example)": "301"}
	for _, name := range []string{"", " (one.example)", " (two.example)"} {
		want["http "+e.ports["http"]+name] = "204"
		want["http unix:"+u+name] = "204"
		want["http "+e.ports["proxy"]+name] = "204"
		want["https "+e.ports["proxys"]+name] = "204"
		want["http "+e.ports["444"]+name] = "closed without an answer"
		want["https "+e.ports["reject"]+name] = "a refused TLS handshake (tls: unrecognized name)"
		if name != " (two.example)" {
			want["https "+e.ports["https"]+name] = "204"
		}
	}
	got := map[string]string{}
	for _, x := range d.Expectations {
		got[x.Target.String()] = x.Want.Text
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(d.LeftOut) != 2 || !strings.Contains(strings.Join(d.LeftOut, "\n"), e.ports["stream"]+`: no HTTP answer ("220 hello`) {
		t.Errorf("left out: %q", d.LeftOut)
	}
	if found := d.Check(t.Context()); len(found) != 0 {
		t.Errorf("unchanged: %s", texts(found))
	}
	e.checkChanges(t, d)
}

// checkChanges lets the server misbehave in several ways, one after the other.
func (e everything) checkChanges(t *testing.T, d *Differential) {
	e.certify(t, soon())
	e.reload(t)
	if found := d.Check(t.Context()); len(found) != 0 {
		t.Errorf("with a renewed certificate: %s", texts(found))
	}
	e.configure(t, "return 500;")
	e.reload(t)
	found := texts(d.Check(t.Context()))
	if !strings.Contains(found, "http "+e.ports["http"]+": 500 instead of 204\n") || strings.Count(found, "\n")+1 != 14 || strings.Contains(found, " 301") {
		t.Errorf("with 500: %s", found)
	}
	e.certify(t, past())
	e.configure(t, "return 204;")
	e.reload(t)
	found = texts(d.Check(t.Context()))
	if n := strings.Count(found, "with a certificate that expired on "); n != 6 || n != strings.Count(found, "\n")+1 {
		t.Errorf("with an expired certificate: %s", found)
	}
}
