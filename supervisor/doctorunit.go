package supervisor

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

func (e *examination) successors() []nginx.Child {
	tree, err := nginx.ReadTree(e.m.ID)
	if err != nil {
		return nil
	}
	return tree.Successors()
}

// command is the master's command line with more options, for a shell.
func (e *examination) command(options ...string) string {
	words := append([]string{shellWord(e.m.binary)}, options...)
	for _, arg := range e.m.argv[1:] {
		words = append(words, shellWord(arg))
	}
	return strings.Join(words, " ")
}

// shellWord quotes what a shell would read otherwise.
func shellWord(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@=+,", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// dropIn is a remedy for a unit.
func dropIn(unit string, lines ...string) string {
	return fmt.Sprintf("put this in by `systemctl edit %s`:\n[Service]\n%s", shellWord(unit), strings.Join(lines, "\n"))
}

// unitType asks whether systemd can follow the successor.
func (e *examination) unitType(ctx context.Context) Finding {
	if e.m.unit == nil {
		return e.noUnit(ctx)
	}
	unit := e.m.unit.Name()
	pidFile := cmp.Or(e.m.pidFile, e.m.files.PID)
	switch {
	case e.state.Type == "forking" && e.state.PIDFile != "":
		return okay("%s has Type=forking and PIDFile=%s", unit, e.state.PIDFile)
	case e.state.Type == "forking":
		return Finding{Level: LevelNote, Text: fmt.Sprintf("%s has no PIDFile=: it is followed by sd_notify alone, and systemd guesses the main process after a crash", unit),
			Remedy: dropIn(unit, "PIDFile="+pidFile)}
	}
	return Finding{Level: LevelFailure, Text: fmt.Sprintf("%s has Type=%s, which is for an nginx that stays in the foreground", unit, e.state.Type), Remedy: e.m.daemonOff()}
}

// noUnit tells whether the master is in a unit that does not know it.
func (e *examination) noUnit(ctx context.Context) Finding {
	if e.s.systemd == nil {
		return okay("systemd does not run here, the pid file is all there is to follow")
	}
	name, err := e.s.systemd.UnitOf(ctx, e.m.PID)
	if err != nil || !strings.HasSuffix(name, ".service") {
		return okay("it belongs to no unit, the pid file is all there is to follow")
	}
	return Finding{Level: LevelWarning, Text: fmt.Sprintf("it runs in %s, which has another main process: systemd would not follow", name),
		Remedy: dropIn(name, "Type=forking", "PIDFile="+cmp.Or(e.m.pidFile, e.m.files.PID))}
}

// daemonOff looks for a master that ignores USR2.
func (e *examination) daemonOff(context.Context) Finding {
	stat, err := nginx.ReadStat(e.m.PID)
	if err != nil {
		return ofError(LevelFailure, err)
	}
	if !stat.Daemonized() {
		return Finding{Level: LevelFailure, Text: fmt.Sprintf("%s runs with `daemon off`: such a master ignores USR2", e.m.name()), Remedy: e.m.daemonOff()}
	}
	return okay("it runs as a daemon, which takes USR2")
}

// notifyAccess asks whether we can speak for the unit.
func (e *examination) notifyAccess(context.Context) Finding {
	switch {
	case e.m.unit == nil:
		return okay("there is no unit to speak for")
	case !e.m.mute:
		return okay("NotifyAccess=%s", e.state.NotifyAccess)
	}
	unit := e.m.unit.Name()
	found := Finding{Level: LevelWarning, Text: fmt.Sprintf("%s has NotifyAccess=none: `systemctl status` cannot say what runs", unit),
		Remedy: dropIn(unit, "NotifyAccess=main")}
	if e.state.PIDFile == "" {
		found.Level, found.Text = LevelFailure, fmt.Sprintf("%s has neither PIDFile= nor NotifyAccess=, so systemd could not follow the new master", unit)
	}
	return found
}

// pidFile has remedies that fit a host on which nothing is being upgraded just
// now; those of the pre-flight are for any.
func (e *examination) pidFile(context.Context) Finding {
	found := orOK(e.m.checkPIDFiles(), "%s names the master, and unit and configuration agree", e.m.pidFile)
	if found.Level == LevelOK || e.m.pidFile == "" {
		return found
	}
	configured, err := e.m.files.ConfiguredPID(e.m.root)
	switch {
	case e.m.unitPIDFile != "" && !e.m.samePath(e.m.unitPIDFile, e.m.pidFile):
		found.Remedy = dropIn(e.m.unit.Name(), "PIDFile="+e.m.pidFile)
	case err == nil && !e.m.samePath(configured, e.m.pidFile):
		found.Remedy = fmt.Sprintf("put `pid %s;` back into %s, or: %s", e.m.pidFile, e.m.files.Config, e.restart())
	}
	return found
}

// argv asks whether USR2 finds what it is to execute.
func (e *examination) argv(context.Context) Finding {
	name := e.m.argv[0]
	if err := e.m.named(); err != nil {
		found := ofError(LevelFailure, err)
		found.Remedy = "start it once by its absolute path: " + e.restart()
		return found
	}
	if !filepath.IsAbs(name) {
		return Finding{Level: LevelNote, Text: fmt.Sprintf("it was started as %q, which USR2 looks for in %s", name, e.m.cwd),
			Remedy: "start it once by its absolute path: " + e.restart()}
	}
	return okay("it was started as %s", name)
}

func (e *examination) parent(context.Context) Finding {
	if !e.m.build.OlderThan(1, 13, 8) {
		return okay("nginx %s takes USR2 whatever its parent is", e.m.build.Number)
	}
	return orOK(e.m.parentless(), "nginx %s is a child of init, as it must be", e.m.build.Number)
}
