package supervisor_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// sandboxed starts a process with mounts of its own, made by a script that gets
// the directory as its $1, and returns its pid.
func sandboxed(t *testing.T, script, dir string) int {
	t.Helper()
	if os.Geteuid() != 0 {
		nginxtest.Unable(t, "only root may mount")
	}
	cmd := exec.Command("unshare", "-m", "sh", "-c", script+` && echo ready && exec cat`, "sh", dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("the sandbox says %q, %v", line, err)
	}
	t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return cmd.Process.Pid
}

// host returns the findings about the host.
func host(t *testing.T, daemon int, c supervisor.Config) map[string]supervisor.Finding {
	t.Helper()
	found := make(map[string]supervisor.Finding)
	var names []string
	for _, f := range supervisor.ExamineHost(daemon, c) {
		found[f.Check] = f
		names = append(names, f.Check)
	}
	if diff := cmp.Diff(supervisor.HostChecks(), names); diff != "" {
		t.Error(diff)
	}
	return found
}

func hasFinding(t *testing.T, f supervisor.Finding, level supervisor.Level, words ...string) {
	t.Helper()
	if f.Level != level {
		t.Errorf("got %+v, want %s", f, level)
	}
	for _, w := range words {
		if !strings.Contains(f.Text+"\n"+f.Remedy, w) {
			t.Errorf("%+v lacks %q", f, w)
		}
	}
}

func TestDoctorOfTheSandbox(t *testing.T) {
	p := newPatient(t)
	p.daemon = sandboxed(t, `mount -t tmpfs none "$1"`, p.Dir)
	p.finds("sandbox", supervisor.LevelFailure, "hides "+p.PIDPath(), "systemctl edit nginx-hotswap.service", "PrivateTmp=no", "systemctl restart nginx-hotswap")
}

func TestDoctorOfHiddenLocks(t *testing.T) {
	lock := supervisor.PackageLocks[0].Path
	if !nginxtest.Exists(lock) {
		nginxtest.Unable(t, "this machine has no dpkg")
	}
	daemon := sandboxed(t, `mount -t tmpfs none "$1"`, filepath.Dir(lock))
	hasFinding(t, host(t, os.Getpid(), quick())["package-locks"], supervisor.LevelOK, lock)
	hasFinding(t, host(t, daemon, quick())["package-locks"], supervisor.LevelFailure, "hides "+lock, "InaccessiblePaths=", "BindReadOnlyPaths="+filepath.Dir(lock))
}

func TestDoctorOfMetrics(t *testing.T) {
	c := quick()
	hasFinding(t, host(t, 0, c)["metrics"], supervisor.LevelOK, "no metrics")
	c.TextfileDirectory = filepath.Join(t.TempDir(), "it's missing")
	hasFinding(t, host(t, 0, c)["metrics"], supervisor.LevelFailure, "is no directory", `install -d -m 755 '`, `it'\''s missing'`)
	c.TextfileDirectory = t.TempDir()
	hasFinding(t, host(t, os.Getpid(), c)["metrics"], supervisor.LevelOK, c.TextfileDirectory)
	daemon := sandboxed(t, `mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"`, c.TextfileDirectory)
	hasFinding(t, host(t, daemon, c)["metrics"], supervisor.LevelFailure, "does not let it write", "ReadWritePaths=-"+c.TextfileDirectory)
}

// A daemon that got no inotify instance goes on without.
func TestDoctorOfADeafDaemon(t *testing.T) {
	p := newPatient(t)
	deaf := sandboxed(t, "true", p.Dir)
	hasFinding(t, host(t, 0, quick())["inotify"], supervisor.LevelOK)
	hasFinding(t, host(t, deaf, quick())["inotify"], supervisor.LevelWarning, "no watch", "fs.inotify.max_user_instances")
	p.watchedBy(p.Dir)
	hasFinding(t, host(t, os.Getpid(), quick())["inotify"], supervisor.LevelOK, "there is room for more")
}
