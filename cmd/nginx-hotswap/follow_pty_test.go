package main

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

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
	for _, s := range all {
		s.wait("that there is a newer one", shows(`site: Automatic=no$`))
	}
	upgrade := inTerminal(t, 80, 24, "upgrade", g.command("upgrade"))
	g.goldenAnswer("upgrade", upgrade.exit(0))
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
		// Ctrl-C throws away what the terminal has not taken yet.
		s.wait("the last picture", func(lines []string) bool {
			return shows("site: upgraded "+g.version)(lines) && (s == dumb || s == pipe || shows(` same +idle.*\z`)(lines))
		})
		s.interrupt()
		g.golden(s.name, slices.DeleteFunc(s.exit(0), lastOfOld))
	}
	g.checkBytes(wide, narrow, dumb, pipe)
}

// lastOfOld is what a plain view tells after the last connection. A look may fall
// between that and the next phase, or between that and the end of the workers.
func lastOfOld(text string) bool {
	return strings.Contains(text, " site: no connection left") || strings.Contains(text, " site: the old workers are gone")
}

// goldenAnswer is for a screen with an answer below the picture, which the terminal
// breaks where the pids make it long.
func (g *stage) goldenAnswer(name string, lines []string) {
	g.t.Helper()
	i := slices.IndexFunc(lines, func(text string) bool { return strings.HasPrefix(text, "site: upgraded ") })
	if i < 0 {
		g.t.Fatalf("no answer:\n%s", joined(lines))
	}
	answer := strings.Join(lines[i:], "")
	if strings.Contains(joined(lines[:i]), "● soaking") {
		// The answer is given a moment before the next phase begins.
		if !strings.Contains(answer, ": it serves, the old master ") {
			g.t.Errorf("got the answer %q", answer)
		}
		return
	}
	g.golden(name, append(lines[:i:i], answer))
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
	if err := nginxtest.WriteProgram(t.Context(), g.newer, build); err != nil {
		t.Fatal(err)
	}
	g.install()
	follow := inPipe(t, "pipe", g.command("status", "--follow"))
	follow.wait("the old version, and that there is another", shows(`site: Automatic=no$`))
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

// TestUpgradeWithoutDaemonInTerminal checks that a command that does the cycle by
// itself shows it like the daemon's, and that what is logged does not get into the
// picture.
func TestUpgradeWithoutDaemonInTerminal(t *testing.T) {
	if os.Geteuid() != 0 {
		nginxtest.Unable(t, "only root may see whether a package transaction runs")
	}
	g := newStage(t)
	g.stopDaemon()
	g.write("etc/nginx-hotswap.conf", "[Supervisor]\nUnits=nginx-hotswap-test-none.service\nSettle=1s\nSettleSec=100ms\n[Upgrade]\nSoakSec=1s\nKeepOldSec=0\n")
	slow := g.half()
	g.install()
	upgrade := inTerminal(t, 80, 24, "upgrade", g.command("upgrade"))
	upgrade.wait("a drain", shows(`(?s)warning: .*unknown key .*site: .*● draining.*\b1 of 1 connections? left`))
	slow.Close()
	lines := upgrade.exit(0)
	g.goldenAnswer("upgrade-without-daemon", lines[slices.IndexFunc(lines, func(text string) bool { return strings.HasPrefix(text, "INSTANCE") }):])
	if text := joined(lines); strings.Contains(text, "USR2 sent") {
		t.Errorf("what is logged is in the picture:\n%s", text)
	}
	// Where somebody reads the log there is no picture.
	plain := inPipe(t, "pipe", g.command("upgrade"))
	if text := joined(plain.exit(0)); !strings.Contains(text, "site: already current") || strings.Contains(text, "INSTANCE") {
		t.Errorf("in a pipe: %s", text)
	}
}
