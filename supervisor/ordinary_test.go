package supervisor_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/freeport"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// ordinary is an nginx with what administrators do to one every day.
type ordinary struct {
	*nginxtest.Nginx
	t       *testing.T
	config  string
	backend string // the address of the server behind it
}

const ordinaryServers = `
    server { listen %s ssl; ssl_certificate %s; ssl_certificate_key %s; root %s; }
    server { listen %s; location / { proxy_pass http://%s; proxy_connect_timeout 1s; } }
`

func startOrdinary(t *testing.T) *ordinary {
	n := nginxtest.Prepare(t, traffic.Site{})
	o := &ordinary{Nginx: n, t: t, backend: freeport.Address(t)}
	o.renewCertificate()
	data, err := os.ReadFile(n.ConfigPath())
	if err != nil {
		t.Fatal(err)
	}
	servers := fmt.Sprintf(ordinaryServers, freeport.Address(t), o.path("cert.pem"), o.path("key.pem"), o.path("html"), freeport.Address(t), o.backend)
	o.config = strings.TrimSuffix(string(data), "}\n") + servers + "}\n"
	o.write(o.config)
	n.Run(t)
	return o
}

func (o *ordinary) path(name string) string { return filepath.Join(o.Dir, name) }

func (o *ordinary) write(config string) {
	o.t.Helper()
	if err := os.WriteFile(o.ConfigPath(), []byte(config), 0o644); err != nil {
		o.t.Fatal(err)
	}
}

func (o *ordinary) renewCertificate() {
	o.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		o.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		o.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		o.t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(o.path(name), pem.EncodeToMemory(block), 0o600); err != nil {
			o.t.Fatal(err)
		}
	}
}

// signal sends a signal to the master that the pid file names, as `nginx -s`
// and logrotate do.
func (o *ordinary) signal(sig unix.Signal) {
	o.t.Helper()
	signal(o.t, o.PID(o.t), sig)
}

// reload reloads and waits until the workers are new.
func (o *ordinary) reload() {
	o.t.Helper()
	before := o.workers()
	o.signal(unix.SIGHUP)
	nginxtest.Eventually(o.t, "the workers are new", func() bool {
		now := o.workers()
		return len(now) > 0 && !slices.ContainsFunc(now, func(id nginx.ID) bool { return slices.Contains(before, id) })
	})
}

func (o *ordinary) workers() []nginx.ID {
	o.t.Helper()
	p, err := nginx.Open(o.PID(o.t))
	if err != nil {
		o.t.Fatal(err)
	}
	defer p.Close()
	tree, err := nginx.ReadTree(p.ID)
	if err != nil {
		o.t.Fatal(err)
	}
	var ids []nginx.ID
	for _, w := range tree.With(nginx.RoleWorker) {
		ids = append(ids, w.ID)
	}
	return ids
}

// doings are an hour's work of an administrator.
func (o *ordinary) doings(reloads int) {
	o.t.Helper()
	upstream, err := net.Listen("tcp", o.backend) // it was down before
	if err != nil {
		o.t.Fatal(err)
	}
	for range reloads {
		o.reload()
	}
	o.write(o.config + "no_such_directive;\n")
	o.signal(unix.SIGHUP)
	nginxtest.Eventually(o.t, "it is refused", func() bool { return strings.Contains(readFile(o.t, o.ErrorLogPath()), "no_such_directive") })
	o.write(o.config)
	if err := os.Rename(o.ErrorLogPath(), o.ErrorLogPath()+".1"); err != nil {
		o.t.Fatal(err)
	}
	o.signal(unix.SIGUSR1)
	o.renewCertificate()
	o.reload()
	upstream.Close()
	// The kernel kills a worker for want of memory.
	signal(o.t, o.workers()[0].PID, unix.SIGKILL)
	o.exhaust()
}

// exhaust takes all of a worker's connections for a moment.
func (o *ordinary) exhaust() {
	o.t.Helper()
	o.write(strings.Replace(o.config, "worker_connections 1024", "worker_connections 16", 1))
	o.reload()
	var taken []net.Conn
	for range 64 {
		conn, err := net.Dial("tcp", o.Listen)
		if err != nil {
			o.t.Fatal(err)
		}
		taken = append(taken, conn)
	}
	time.Sleep(4500 * time.Millisecond) // more than the three rounds of probes that are a bad sign
	for _, conn := range taken {
		conn.Close()
	}
	o.write(o.config)
	o.reload()
}

// inBackground runs a supervisor until stop.
func inBackground(t *testing.T, s *supervisor.Supervisor) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// An upgrade during which everything happens that looks like trouble and is
// none ends as an upgrade.
func TestOrdinaryLife(t *testing.T) {
	t.Parallel()
	o := startOrdinary(t)
	c := supervisor.Defaults()
	c.Upgrade.SoakSec = 20 * time.Second
	c.Upgrade.KeepOldSec = 0
	c.Upgrade.ConfirmManual = true // however long a day's work takes
	s := newSupervisor(t, o.Nginx, c)
	stop := inBackground(t, s)
	defer stop()
	nginxtest.Eventually(t, "it is attached", func() bool { return s.Status().MainPID != 0 })
	o.doings(3) // under the old version
	if st := s.Status(); st.Phase != supervisor.Idle || st.Last != nil {
		t.Fatalf("doings of an administrator were taken for something: %+v", st)
	}
	data, version := o.Newer(t, '9')
	nginxtest.Install(t, o.Binary, data)
	answer := make(chan supervisor.Outcome, 1)
	go func() {
		out, _ := s.Upgrade(t.Context(), supervisor.Request{Origin: supervisor.OriginCLI, Wait: supervisor.WaitDone})
		answer <- out
	}()
	for _, phase := range []supervisor.Phase{supervisor.Soaking, supervisor.Draining} {
		nginxtest.Eventually(t, string(phase), func() bool { return s.Status().Phase == phase })
		o.doings(25)
	}
	(&running{Supervisor: s}).confirm(t)
	out := <-answer
	if out.Result != supervisor.Upgraded {
		t.Errorf("got %+v", out)
	}
	nginxtest.Eventually(t, "the new version runs", func() bool { return s.Status().Running.Version == version })
	if st := s.Status(); st.Pending || st.Reason != "" || len(st.Masters) != 1 {
		t.Errorf("got %+v", st)
	}
}
