//go:build box

package packages

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

// load is traffic that runs in the machine.
type load struct {
	m        *machine
	cmd      *exec.Cmd
	stdin    io.Closer
	out, err bytes.Buffer
}

// startLoad starts new and open connections, slow downloads and tunnels, and waits
// until all of them are under way. The downloads take longer than the distribution
// waits for them when it restarts nginx.
func (m *machine) startLoad() *load {
	m.t.Helper()
	const base = "url=http://127.0.0.1:8080"
	args := []string{"run", "--until-eof", "--json", "-"}
	for _, target := range []string{
		"kind=new," + base + "/,clients=4", "kind=keepalive," + base + "/,clients=4",
		fmt.Sprintf("kind=download,%s/big,clients=2,rate=256KiB,size=%d", base, bigSize),
		"kind=stream," + base + "/stream,clients=2,hold=3s",
	} {
		args = append(args, "--target", target)
	}
	l := &load{m: m, cmd: m.Command(context.WithoutCancel(m.t.Context()), "/usr/local/bin/traffic", args...)}
	l.cmd.Stdout, l.cmd.Stderr = &l.out, &l.err
	stdin, err := l.cmd.StdinPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	l.stdin = stdin
	if err := l.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.eventually("the traffic flows", func() bool {
		return len(strings.Split(m.sh("ss -Htn state established sport = :8080"), "\n")) >= 8
	})
	return l
}

// stop ends the load and returns its account.
func (l *load) stop() *traffic.Report {
	l.m.t.Helper()
	l.stdin.Close()
	_ = l.cmd.Wait() // 1 when a request failed, which the account tells better
	var r traffic.Report
	if err := json.Unmarshal(l.out.Bytes(), &r); err != nil {
		l.m.t.Fatalf("traffic: %v\n%s%s", err, l.out.String(), l.err.String())
	}
	return &r
}
