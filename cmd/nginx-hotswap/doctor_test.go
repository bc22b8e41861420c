package main

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// findings are one of each kind, and what must not reach a terminal.
var findings = []supervisor.Finding{
	{Check: "daemon", Level: supervisor.LevelOK, Text: "it runs, pid 7"},
	{Check: "needrestart", Level: supervisor.LevelWarning, Text: "one two three", Remedy: "first && 'second  <x>'\nthird"},
	{Check: "disk", Instance: "nginx", Level: supervisor.LevelFailure, Text: "evil \x1b[31m \u202ename\nnext", Remedy: "rm \x07 \u009b1m"},
	{Check: "argv", Instance: "nginx", Level: supervisor.LevelNote, Text: "a note"},
}

func TestPrintFindings(t *testing.T) {
	for name, tt := range map[string]struct {
		canvas canvas
		want   string
	}{
		"file": {canvas{}, `this host
  ok    daemon       it runs, pid 7
  warn  needrestart  one two three
                     first && 'second  <x>'
                     third
nginx
  FAIL  disk         evil [31m name next
                     rm  1m
  note  argv         a note

failures: 1, warnings: 1, notes: 1, ok: 1
`},
		"terminal": {canvas{width: 30, color: true}, "\x1b[1mthis host\x1b[0m\n" +
			"  \x1b[32mok  \x1b[0m  daemon       it runs, pid 7\n" +
			"  \x1b[33mwarn\x1b[0m  needrestart  one two three\n" +
			"                     first && 'second  <x>'\n" +
			"                     third\n" +
			"\x1b[1mnginx\x1b[0m\n" +
			"  \x1b[31mFAIL\x1b[0m  disk         evil [31m name next\n" +
			"                     rm  1m\n" +
			"  \x1b[36mnote\x1b[0m  argv         a note\n\n" +
			"failures: 1, warnings: 1, notes: 1, ok: 1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var got strings.Builder
			if err := printFindings(&got, findings, tt.canvas); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A text is wrapped below itself, a remedy never.
func TestDrawFinding(t *testing.T) {
	f := supervisor.Finding{Check: "disk", Level: supervisor.LevelNote, Text: strings.Repeat("word ", 20), Remedy: strings.Repeat("word ", 20) + "end"}
	var got []string
	for _, l := range drawFinding(f, len("disk"), 60) {
		got = append(got, l.text(false))
	}
	words := strings.TrimSpace(strings.Repeat("word ", 9))
	want := []string{"  note  disk  " + words, "              " + words, "              word word", "              " + f.Remedy}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDoctorCode(t *testing.T) {
	for level, want := range map[supervisor.Level]int{
		supervisor.LevelOK: 0, supervisor.LevelNote: 0, supervisor.LevelWarning: 3, supervisor.LevelFailure: 1,
	} {
		found := []supervisor.Finding{{Level: supervisor.LevelOK}, {Level: level}, {Level: supervisor.LevelNote}}
		if level == supervisor.LevelFailure {
			found = append(found, supervisor.Finding{Level: supervisor.LevelWarning})
		}
		if got := doctorCode(found); got != want {
			t.Errorf("%s: %d, want %d", level, got, want)
		}
	}
}

const goldenFindings = `[
  {
    "check": "needrestart",
    "instance": "",
    "level": "warning",
    "text": "one two three",
    "remedy": "first && 'second  <x>'\nthird"
  }
]
`

func TestFindingsJSON(t *testing.T) {
	var got strings.Builder
	if err := printFindingsJSON(&got, findings[1:2]); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(goldenFindings, got.String()); diff != "" {
		t.Error(diff)
	}
}

// The manual has a paragraph for each check.
func TestManualChecks(t *testing.T) {
	want := slices.Concat([]string{checkConfiguration, checkDaemon, checkInstances, checkScripts, checkHooks, checkNeedrestart},
		supervisor.HostChecks(), supervisor.InstanceChecks())
	got := items(part(lines(t, "man/nginx-hotswap.8"), ".Sh CHECKS"), "Cm")
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("checks, program (-) and manual page (+):\n%s", diff)
	}
}

// hostTree is a root file system with the given files; those of mode 0755 are programs.
func hostTree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestHostHooks(t *testing.T) {
	script := map[string]string{dpkgInfo + "/nginx-common.postinst": commonPostinst}
	with := func(more ...string) map[string]string {
		files := maps.Clone(script)
		for i := 0; i < len(more); i += 2 {
			files[more[i]] = more[i+1]
		}
		return files
	}
	for name, tt := range map[string]struct {
		files map[string]string
		let   bool // HoldPackageRestart=no
		look  func(hostHooks) supervisor.Finding
		level supervisor.Level
		says  []string
	}{
		"nobody restarts":    {nil, false, hostHooks.scripts, supervisor.LevelOK, []string{"no package"}},
		"not held off":       {script, false, hostHooks.scripts, supervisor.LevelWarning, []string{"nginx-common restarts nginx.service", "nothing holds that off", "apt install"}},
		"let":                {with(generatorHook, "#!"), true, hostHooks.scripts, supervisor.LevelWarning, []string{"HoldPackageRestart=no", "systemctl reload"}},
		"held off":           {with(generatorHook, "#!"), false, hostHooks.scripts, supervisor.LevelOK, []string{"nginx-common restarts nginx.service", "held off"}},
		"generator, no mode": {with(generatorHook, "text"), false, hostHooks.scripts, supervisor.LevelWarning, []string{"is not there"}},
		"no dpkg":            {nil, false, hostHooks.hooks, supervisor.LevelOK, []string{"no dpkg"}},
		"no hooks":           {with(initScript, "#!"), false, hostHooks.hooks, supervisor.LevelNote, []string{"no dpkg trigger", initHook, "apt install"}},
		"another's trigger":  {with(dpkgTriggers, "/usr/sbin/nginx other\n/usr/lib nginx-hotswap\n"), false, hostHooks.hooks, supervisor.LevelNote, []string{"no dpkg trigger"}},
		"hooks": {with(initScript, "#!", initHook, "x", dpkgTriggers, "/usr/sbin/nginx nginx-hotswap/noawait\n"), false, hostHooks.hooks, supervisor.LevelOK,
			[]string{"in place"}},
		"no needrestart": {nil, false, hostHooks.needrestart, supervisor.LevelOK, []string{"not installed"}},
		"needrestart": {map[string]string{needrestartScript: "#!"}, false, hostHooks.needrestart, supervisor.LevelWarning,
			[]string{"restarts nginx.service", "/etc/needrestart/restart.d/nginx.service", "--origin=needrestart"}},
		"hook of needrestart": {map[string]string{needrestartScript: "#!", needrestartHooks + "/nginx.service": "#!"}, false, hostHooks.needrestart, supervisor.LevelOK,
			[]string{"instead of restarting"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := supervisor.Defaults()
			c.HoldPackageRestart = !tt.let
			f := tt.look(hostHooks{root: hostTree(t, tt.files), config: c, units: []string{"nginx.service"}, booted: true})
			if f.Level != tt.level {
				t.Errorf("got %+v, want %s", f, tt.level)
			}
			for _, w := range tt.says {
				if !strings.Contains(f.Text+"\n"+f.Remedy, w) {
					t.Errorf("%+v lacks %q", f, w)
				}
			}
		})
	}
}

// Where a user's inotify instances are used up the daemon could not watch. The
// limit is that of a user namespace, so that nobody else notices.
func TestDoctorWithoutInotify(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "nginx-hotswap") // see TestMain
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	if err := exec.CommandContext(t.Context(), "unshare", "-Ur", "sh", "-c", "echo 0 >/proc/sys/user/max_inotify_instances").Run(); err != nil {
		nginxtest.Unable(t, "user namespaces cannot be had here")
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "-Ur", "sh", "-c", `echo 0 >/proc/sys/user/max_inotify_instances && exec "$0" "$@"`, program, "doctor", "--json")
	cmd.Env = append(os.Environ(), directoryVariable+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != supervisor.ExitFailure {
		t.Errorf("it ends with %v", err)
	}
	var found []supervisor.Finding
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	i := slices.IndexFunc(found, func(f supervisor.Finding) bool { return f.Check == "inotify" })
	if i < 0 || found[i].Level != supervisor.LevelFailure || !strings.Contains(found[i].Remedy, "fs.inotify.max_user_instances=") {
		t.Errorf("got %+v", found)
	}
}
