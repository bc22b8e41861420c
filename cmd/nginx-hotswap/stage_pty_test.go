package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stage is an nginx, a daemon that looks after it, and a place for commands.
type stage struct {
	t   *testing.T
	dir string
	*server
	daemon *exec.Cmd
}

// newStage starts nginx, with one worker, and the daemon.
func newStage(t *testing.T) *stage {
	t.Helper()
	distribution(t)
	n, err := newServer(t)
	if err != nil {
		t.Fatal(err)
	}
	n.Workers = 1
	if err := n.Write(); err != nil {
		t.Fatal(err)
	}
	g := &stage{t: t, dir: t.TempDir(), server: n}
	g.write("etc/nginx-hotswap.conf", "[Supervisor]\nUnits=nginx-hotswap-test-none.service\nAutomatic=no\nSettleSec=100ms\n"+
		"[Upgrade]\nSoakSec=2s\nKeepOldSec=0\n")
	g.write("etc/instance.d/site.conf", "[Instance]\nPIDFile="+n.PIDPath()+"\n[Probe]\nURL=http://"+n.Listen+"/\nIntervalSec=100ms\n")
	if err := n.start(); err != nil {
		t.Fatal(err)
	}
	g.startDaemon()
	return g
}

func (g *stage) write(name, text string) {
	g.t.Helper()
	path := filepath.Join(g.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		g.t.Fatal(err)
	}
}

// startDaemon returns when the daemon answers and knows the instance.
func (g *stage) startDaemon() {
	g.t.Helper()
	g.daemon = g.command("daemon")
	inPipe(g.t, "daemon", g.daemon)
	deadline := time.Now().Add(untilLimit)
	for {
		out, _ := g.command("status").CombinedOutput()
		if strings.Contains(string(out), " same ") && strings.HasPrefix(string(out), "INSTANCE") {
			return
		}
		if time.Now().After(deadline) {
			g.t.Fatalf("the daemon does not know the instance:\n%s", out)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// stopDaemon returns when it is gone.
func (g *stage) stopDaemon() {
	g.t.Helper()
	if err := g.daemon.Process.Signal(unix.SIGTERM); err != nil {
		g.t.Fatal(err)
	}
	deadline := time.Now().Add(untilLimit)
	for {
		if out, _ := g.command("status").CombinedOutput(); strings.HasPrefix(string(out), "The daemon is not running") {
			return
		}
		if time.Now().After(deadline) {
			g.t.Fatal("the daemon does not end")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// command is one of ours.
func (g *stage) command(args ...string) *exec.Cmd {
	cmd := exec.Command("nginx-hotswap", args...)
	cmd.Env = append(os.Environ(), directoryVariable+"="+g.dir, "TERM=xterm", "NO_COLOR=", "TZ=UTC")
	return cmd
}

// inEnvironment adds to the environment of a command.
func inEnvironment(cmd *exec.Cmd, variables ...string) *exec.Cmd {
	cmd.Env = append(cmd.Env, variables...)
	return cmd
}

// half sends the first half of a request: its worker waits for the other.
func (g *stage) half() net.Conn {
	g.t.Helper()
	conn, err := net.Dial("tcp", g.Listen)
	if err == nil {
		_, err = conn.Write([]byte("GET / HTTP/1.1\r\nHost: site\r\n"))
	}
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { conn.Close() })
	return conn
}

// install puts the newer build in place.
func (g *stage) install() {
	g.t.Helper()
	if err := os.Rename(g.newer, g.binary); err != nil {
		g.t.Fatal(err)
	}
}

var normalizers = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`\b\d{8}T\d{6}\.\d{3}-[a-z0-9]{5}\b`), "ID"},
	{regexp.MustCompile(`\d\d:\d\d:\d\d`), "TIME"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ADDRESS"},
	{regexp.MustCompile(`\b(master|worker|old|successor) \d+`), "$1 PID"},
	{regexp.MustCompile(`─ \d+`), "─ PID"},
	{regexp.MustCompile(`  \d{2,7}  `), "  PID  "},
	{regexp.MustCompile(`\b(\d+min )?\d+(\.\d)?(m?s|min)\b`), "SPAN"},
	// Connections of the probes come and go.
	{regexp.MustCompile(`(accepts, |successor .*: 1 worker, |successor PID: )\d+ connections?`), "${1}N connections"},
	{regexp.MustCompile(`(\S) {2,}`), "$1  "},
}

// normal is a screen without what differs from run to run.
func (g *stage) normal(lines []string) []string {
	lines = slices.Clone(lines)
	for i, text := range lines {
		text = strings.NewReplacer(g.versionOfNewer, "1.0.9", g.version, "1.0.1", g.version[:len(g.version)-1]+string(badDigit), "1.0.8").Replace(text)
		for _, n := range normalizers {
			text = n.pattern.ReplaceAllString(text, n.with)
		}
		lines[i] = text
	}
	return lines
}

func (g *stage) golden(name string, lines []string) {
	g.t.Helper()
	golden(g.t, "pty-"+name, g.normal(lines))
}

func joined(lines []string) string { return strings.Join(lines, "\n") }

func shows(pattern string) func([]string) bool {
	expression := regexp.MustCompile("(?m)" + pattern)
	return func(lines []string) bool { return expression.MatchString(joined(lines)) }
}
