package main

import (
	"fmt"
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

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
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
		"[Upgrade]\nSoakSec=1s\nKeepOldSec=0\n")
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

// TestFollowTerminals follows one upgrade in all kinds of terminal. Two clients
// of the old version take their time.
func TestFollowTerminals(t *testing.T) {
	g := newStage(t)
	slow := []net.Conn{g.half(), g.half()}
	wide := inTerminal(t, 80, 24, "80x24", g.command("status", "--follow"))
	narrow := inTerminal(t, 40, 24, "40x24", inEnvironment(g.command("status", "--follow", "site"), "NO_COLOR=1"))
	dumb := inTerminal(t, 80, 24, "dumb", inEnvironment(g.command("status", "--follow"), "TERM=dumb"))
	pipe := inPipe(t, "pipe", g.command("status", "--follow"))
	all := []*session{wide, narrow, dumb, pipe}
	for _, s := range all {
		s.wait("the old version", shows(g.version))
	}
	g.install()
	upgrade := inTerminal(t, 80, 24, "upgrade", g.command("upgrade"))
	lines := upgrade.exit(0)
	i := slices.IndexFunc(lines, func(text string) bool { return strings.HasPrefix(text, "site: upgraded ") })
	if i < 0 {
		t.Fatalf("no answer:\n%s", joined(lines))
	}
	// The terminal breaks the answer where the pids make it end.
	g.golden("upgrade", append(lines[:i:i], strings.Join(lines[i:], "")))
	for _, s := range []*session{wide, narrow} {
		g.golden(s.name+"-draining", s.wait("a drain", shows(`● draining(.|\n)*\b2 of 2 connections left`)))
	}
	for _, s := range []*session{dumb, pipe} {
		s.wait("a drain", shows(`site: 2 of 2 connections left(.|\n)*site: draining`))
	}
	wide.resize(40, 24)
	g.golden("resized", wide.wait("the narrow picture", func(lines []string) bool {
		return len(lines) > 0 && strings.HasSuffix(lines[0], "PHASE")
	}))
	slow[0].Close()
	for _, s := range all {
		s.wait("the last connection", shows("1 of 2 connections left"))
	}
	slow[1].Close()
	for _, s := range all {
		s.wait("the end", func(lines []string) bool {
			return shows("site: upgraded "+g.version)(lines) && (s == dumb || s == pipe || shows(` same +idle`)(lines))
		})
		s.interrupt()
		g.golden(s.name, s.exit(0))
	}
	g.checkBytes(wide, narrow, dumb, pipe)
}

// checkBytes looks at what was written, colors and all.
func (g *stage) checkBytes(wide, narrow, dumb, pipe *session) {
	g.t.Helper()
	if wide.vt.colors == 0 {
		g.t.Error("no colors in a terminal that has them")
	}
	if narrow.vt.colors > 0 {
		g.t.Error("colors in spite of NO_COLOR")
	}
	for _, s := range []*session{dumb, pipe} {
		if strings.Contains(s.bytes.String(), "\x1b") {
			g.t.Errorf("sequences for %s: %q", s.name, s.bytes.String())
		}
	}
}

// TestFollowWithoutDaemon checks what is said when there is none, and when it
// goes away.
func TestFollowWithoutDaemon(t *testing.T) {
	g := newStage(t)
	wide := inTerminal(t, 80, 24, "80x24", g.command("status", "--follow"))
	pipe := inPipe(t, "pipe", g.command("status", "--follow"))
	for _, s := range []*session{wide, pipe} {
		s.wait("the version", shows(g.version))
	}
	if err := g.daemon.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	g.golden("gone", wide.exit(1))
	g.golden("gone-pipe", pipe.exit(1))
	none := inTerminal(t, 80, 24, "none", g.command("status", "--follow"))
	g.golden("none", none.exit(1))
	usage := inPipe(t, "usage", g.command("status", "--follow", "--json"))
	if text := joined(usage.exit(2)); !strings.Contains(text, "exclude each other") {
		t.Error(text)
	}
}

// TestFollowTerminated checks that SIGTERM gives the cursor back, too.
func TestFollowTerminated(t *testing.T) {
	g := newStage(t)
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGINT} {
		s := inTerminal(t, 80, 24, fmt.Sprint(signal), g.command("status", "--follow"))
		s.wait("the version", shows(g.version))
		s.mu.Lock()
		if !s.vt.hidden {
			t.Error("the cursor was not hidden to begin with")
		}
		s.mu.Unlock()
		if err := s.cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		s.exit(0)
	}
}

// TestUpgradeRollsBack shows the way back in a terminal: the last picture of it
// stays, and the answer stands below.
func TestUpgradeRollsBack(t *testing.T) {
	if os.Geteuid() != 0 {
		nginxtest.Unable(t, "only root may see whether a package transaction runs")
	}
	g := newStage(t)
	build := badnginx.Make(t, g.Dir, badnginx.Answer500, badDigit)
	if err := os.WriteFile(g.newer, build, 0o755); err != nil {
		t.Fatal(err)
	}
	g.install()
	follow := inPipe(t, "pipe", g.command("status", "--follow"))
	follow.wait("the old version", shows(g.version))
	upgrade := inTerminal(t, 80, 60, "upgrade", g.command("upgrade"))
	lines := upgrade.exit(supervisor.ExitRolledBack)
	// The answer is given while the last phase begins; it may be over by then.
	begin := slices.IndexFunc(lines, func(text string) bool { return strings.HasPrefix(text, "site: ") })
	end := slices.IndexFunc(lines, func(text string) bool { return strings.HasPrefix(text, "site: rolled back: ") })
	if begin < 0 || end <= begin {
		t.Fatalf("no picture or no answer:\n%s", joined(lines))
	}
	picture := strings.ReplaceAll(joined(lines[begin:end]), "● restoring", "✓ restoring")
	g.golden("rolled-back", strings.Split(picture, "\n"))
	follow.wait("the way back and the end", shows(`(?s)soaking\n.*site: probe failed: .* 500\n.*site: back to `+regexp.QuoteMeta(g.version)+
		`: .* 500 of .*site: reviving\n.*site: dismissing\n.*site: restoring\n.*site: rolled back from `))
}
