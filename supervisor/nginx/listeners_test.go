package nginx_test

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/freeport"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// streamModule is where Debian has it; other builds have it built in or not at
// all.
const streamModule = "/usr/lib/nginx/modules/ngx_stream_module.so"

func TestListeners(t *testing.T) {
	needTracing(t)
	n := nginxtest.Prepare(t, traffic.Site{})
	want := manyListeners(t, n)
	n.Run(t)
	master := open(t, n.Master)
	client := dial(t, "tcp", n.Listen) // a connection is no listener

	found := bothWays(t, master)
	var got []string
	for _, l := range found {
		got = append(got, l.String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	successor := upgrade(t, master)
	if missing := nginx.Missing(found, bothWays(t, successor)); len(missing) > 0 {
		t.Errorf("the successor lacks %v", missing)
	}
	client.Close() // nginx waits for what it may send
	signal(t, master, unix.SIGQUIT)
	<-master.Exited()
	if missing := nginx.Missing(found, bothWays(t, successor)); len(missing) > 0 {
		t.Errorf("afterwards the successor lacks %v", missing)
	}
}

// manyListeners writes a configuration with a listener of each kind that there
// is here, and returns them.
func manyListeners(t *testing.T, n *nginxtest.Nginx) []string {
	t.Helper()
	shared := freeport.Address(t)
	sock := filepath.Join(n.Dir, "a socket")
	want := []string{"tcp " + n.Listen, "unix:" + sock, "tcp " + shared, "tcp " + shared, "tcp " + shared} // one for each worker
	http := fmt.Sprintf("listen %s; listen %s reuseport; listen %q;", n.Listen, shared, "unix:"+sock)
	if v6 := freeport.On(t, "tcp6", "::1"); v6 != "" {
		http += fmt.Sprintf(" listen %s;", v6)
		want = append(want, "tcp "+v6)
	}
	module, stream := "", ""
	if nginxtest.Exists(streamModule) {
		udp := freeport.On(t, "udp4", "127.0.0.1")
		module = "load_module " + streamModule + ";"
		stream = "stream { server { listen " + udp + " udp; return x; } }"
		want = append(want, "udp "+udp)
	}
	writeFile(t, n.ConfigPath(), fmt.Sprintf("%s\npid %s;\nerror_log %s;\nworker_processes 3;\nevents {}\n%s\nhttp { access_log off; server { %s } }\n",
		module, n.PIDPath(), n.ErrorLogPath(), stream, http))
	return want
}

// What a successor does not take over is found by socket, not by address: here
// two of three sockets with the same address.
func TestListenersLost(t *testing.T) {
	needTracing(t)
	n := nginxtest.Prepare(t, traffic.Site{Workers: 3})
	config, err := os.ReadFile(n.ConfigPath())
	if err != nil {
		t.Fatal(err)
	}
	shared := freeport.Address(t)
	write := func(workers int) {
		extra := fmt.Sprintf("http { server { listen %s reuseport; }", shared)
		text := string(config)
		text = replaceOnce(t, text, "http {", extra)
		text = replaceOnce(t, text, "worker_processes 3;", fmt.Sprintf("worker_processes %d;", workers))
		writeFile(t, n.ConfigPath(), text)
	}
	write(3)
	n.Run(t)
	old := open(t, n.Master)
	before := bothWays(t, old)
	write(1)
	missing := nginx.Missing(before, bothWays(t, upgrade(t, old)))
	if len(missing) != 2 || missing[0].Address != shared || missing[1].Address != shared {
		t.Errorf("missing: %v of %v", missing, before)
	}
}

// The sockets of this process are of every kind that must not be confused.
func TestListenersOfEveryKind(t *testing.T) {
	dir := t.TempDir()
	abstract := fmt.Sprintf("@nginx-hotswap-%d", os.Getpid())
	var want []string
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	want = append(want, "tcp "+tcp.Addr().String())
	dial(t, "tcp", tcp.Addr().String())
	for _, path := range []string{filepath.Join(dir, "with  two spaces"), abstract} {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		want = append(want, "unix:"+path)
		dial(t, "unix", path)
	}
	packets, err := net.Listen("unixpacket", filepath.Join(dir, "seqpacket"))
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	want = append(want, "udp "+udp.LocalAddr().String())
	dial(t, "udp", udp.LocalAddr().String()) // a resolver's
	unbound, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(unbound)

	var got []string
	for _, l := range bothWays(t, open(t, os.Getpid())) {
		got = append(got, l.String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// bothWays returns the listeners, which pidfd_getfd and the kernel's tables must
// agree on.
func bothWays(t *testing.T, p *nginx.Process) []nginx.Listener {
	t.Helper()
	asked, err := p.Listeners()
	if err != nil {
		t.Fatal(err)
	}
	read, err := p.TableListeners()
	if diff := gocmp.Diff(asked, read); err != nil || diff != "" {
		t.Errorf("the tables differ: %v %s", err, diff)
	}
	if !slices.IsSortedFunc(asked, func(a, b nginx.Listener) int { return cmp.Compare(a.Inode, b.Inode) }) {
		t.Errorf("not in order: %v", asked)
	}
	return asked
}
