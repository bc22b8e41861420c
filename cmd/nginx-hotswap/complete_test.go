package main

import (
	"bytes"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/bus"
)

// completionDirectory has two instances, two cycles and three builds, and no daemon.
func completionDirectory(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("etc/nginx-hotswap.conf", "[Supervisor]\nUnits=nginx-hotswap-test-none.service\n")
	write("etc/instance.d/blog.conf", "[Instance]\nPIDFile=/nonexistent/blog.pid\n")
	write("etc/instance.d/shop.conf", "[Instance]\nPIDFile=/nonexistent/shop.pid\n")
	store := supervisor.Store{Runtime: dir + "/run", State: dir + "/lib"}
	for _, id := range []string{"20260101T000000.000-aaaaa", "20260102T000000.000-bbbbb"} {
		if err := store.Close(&supervisor.Record{Version: 1, ID: id, Instance: "blog", Result: supervisor.Upgraded,
			Old: supervisor.Generation{Version: "1.22.1"}, Successor: supervisor.Generation{Version: "1.26.3"}}, 10); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range []struct{ instance, version, digit string }{{"blog", "1.22.1", "a"}, {"blog", "1.26.3", "b"}, {"blog", "1.26.3", "c"}, {"shop", "1.18.0", "d"}} {
		hash := strings.Repeat(b.digit, 64)
		write("lib/vault/"+b.instance+"/"+b.version+"-"+hash[:8]+"/build.json", `{"version":"`+b.version+`","sha256":"`+hash+`"}`)
	}
	return dir
}

// completed is what a shell is given for a command line, with its descriptions.
func completed(t *testing.T, dir string, words ...string) []string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args := append([]string{"__complete", "--config", dir + "/etc/nginx-hotswap.conf", "--runtime-directory", dir + "/run",
		"--state-directory", dir + "/lib"}, words...)
	if code := run(t.Context(), args, &stdout, &stderr); code != 0 {
		t.Fatalf("%q: exit status %d: %s", words, code, stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	return lines[:len(lines)-1] // the last one is for the shell's own script
}

func TestCompletion(t *testing.T) {
	dir := completionDirectory(t)
	for _, tt := range []struct {
		words string
		want  []string
	}{
		{"upgrade ", []string{"blog", "shop"}},
		{"upgrade s", []string{"shop"}},
		{"status ", []string{"blog", "shop"}},
		{"hold b", []string{"blog"}},
		{"upgrade blog ", []string{}},
		{"history ", []string{
			"20260102T000000.000-bbbbb\tblog 1.22.1 to 1.26.3, upgraded",
			"20260101T000000.000-aaaaa\tblog 1.22.1 to 1.26.3, upgraded"}},
		{"history 20260101", []string{"20260101T000000.000-aaaaa\tblog 1.22.1 to 1.26.3, upgraded"}},
		{"rollback blog --to ", []string{"1.22.1\taaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb\tnginx 1.26.3", "cccccccccccccccc\tnginx 1.26.3"}},
		{"rollback --to=1.1", []string{"1.18.0\tdddddddddddddddd"}},
		{"upgrade --wait ", []string{"verdict", "done"}},
		{"daemon ", []string{}},
	} {
		t.Run(tt.words, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, completed(t, dir, strings.Split(tt.words, " ")...)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// What is offered is accepted.
func TestCompletionOfOrigins(t *testing.T) {
	offered := completed(t, completionDirectory(t), "upgrade", "--origin", "")
	if len(offered) == 0 {
		t.Fatal("no origin is offered")
	}
	for _, origin := range offered {
		r := supervisor.Request{Origin: supervisor.Origin(origin), Wait: supervisor.WaitVerdict}
		if err := r.Validate(); err != nil {
			t.Errorf("%s: %v", origin, err)
		}
	}
}

// A daemon that does not answer costs a moment and no more. The bus would wait for
// longer, but not as long as a busy machine may keep us from noticing: the quickest
// of some attempts counts.
func TestCompletionWithADeafDaemon(t *testing.T) {
	dir := completionDirectory(t)
	if err := os.MkdirAll(dir+"/run", 0o755); err != nil {
		t.Fatal(err)
	}
	deaf, err := net.Listen("unix", filepath.Join(dir, "run", bus.Socket))
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	took := time.Duration(math.MaxInt64)
	for attempt := 0; attempt < 10 && took > 5*completeLimit; attempt++ {
		began := time.Now()
		if diff := cmp.Diff([]string{"blog", "shop"}, completed(t, dir, "upgrade", "")); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		took = min(took, time.Since(began))
	}
	if took < completeLimit || took > 5*completeLimit {
		t.Errorf("it took %v", took)
	}
}

// bashCompletion is where the package of that name has it.
const bashCompletion = "/usr/share/bash-completion/bash_completion"

// A real bash completes with the script that the packages install.
func TestCompletionInBash(t *testing.T) {
	if _, err := os.Stat(bashCompletion); err != nil {
		nginxtest.Unable(t, "bash-completion is not installed")
	}
	dir := completionDirectory(t)
	for line, want := range map[string]string{
		"nginx-hotswap upgr":             "upgrade",
		"nginx-hotswap upgrade ":         "blog shop",
		"nginx-hotswap upgrade --orig":   "--origin",
		"nginx-hotswap upgrade --wait d": "done",
	} {
		cmd := exec.CommandContext(t.Context(), "bash", "--norc", "-c", `. `+bashCompletion+`
			. <(nginx-hotswap completion bash)
			COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9 COMP_KEY=9
			read -ra COMP_WORDS <<<"$1"; [[ $1 != *' ' ]] || COMP_WORDS+=('')
			COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
			__start_nginx-hotswap
			echo "${COMPREPLY[@]%% *}"`, "bash", line)
		cmd.Env = append(os.Environ(), directoryVariable+"="+dir)
		out, err := cmd.Output() // it complains that no key was pressed
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", line, got, err, want)
		}
	}
}
