package nginx_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

func TestTestConfig(t *testing.T) {
	n := nginxtest.Prepare(t, traffic.Site{})
	argv := append([]string{n.Binary}, n.Args()...)
	if got, err := nginx.TestConfig(t.Context(), argv, "/"); err != nil || !got.OK || !strings.Contains(got.Output, "test is successful") {
		t.Errorf("got %+v, %v", got, err)
	}
	relative := append([]string{"sbin/nginx"}, n.Args()...)
	if got, err := nginx.TestConfig(t.Context(), relative, n.Dir); err != nil || !got.OK {
		t.Errorf("relative: got %+v, %v", got, err)
	}
	writeFile(t, n.ConfigPath(), "events {}\nlisten_to_me 80;\n")
	got, err := nginx.TestConfig(t.Context(), argv, "/")
	if err != nil || got.OK || !strings.Contains(got.Problem(), `[emerg] unknown directive "listen_to_me"`) {
		t.Errorf("broken: got %+v, %v", got, err)
	}
	if got, err := nginx.TestConfig(t.Context(), []string{n.Binary + "-missing"}, "/"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: got %+v, %v", got, err)
	}
}

func TestTestConfigSurroundings(t *testing.T) {
	t.Setenv("NGINX", "4;5;") // would make it look for sockets to inherit
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	// The shell itself sets PWD and the like; what it was given it exports.
	writeFile(t, filepath.Join(dir, "server"), "#!/bin/sh\nprintf '<%s>' \"$0\" \"$@\"; /bin/pwd -P; tr '\\0' '\\n' < /proc/$$/environ >&2\nexit 1\n")
	got, err := nginx.TestConfig(t.Context(), []string{"./server", "-g", "a; b", ""}, dir)
	if err != nil || got.OK {
		t.Fatalf("got %+v, %v", got, err)
	}
	if want := "<" + dir + "/server><-t><-g><a; b><>" + dir + "\n"; got.Output != want {
		t.Error(cmp.Diff(want, got.Output))
	}
}

func TestTestConfigOutputIsLimited(t *testing.T) {
	script := filepath.Join(t.TempDir(), "server")
	writeFile(t, script, "#!/bin/sh\nhead -c 1000000 /dev/zero | tr '\\0' x\n")
	got, err := nginx.TestConfig(t.Context(), []string{script}, "/")
	if err != nil || !got.OK || len(got.Output) != 64<<10 {
		t.Errorf("got %d bytes, %v, %v", len(got.Output), got.OK, err)
	}
}

// A configuration test may hang for ever, on a DNS server or on a module.
func TestTestConfigHangs(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "server")
	// The second process has the output as well and outlives the first.
	writeFile(t, script, "#!/bin/sh\ncd "+dir+"\n/bin/sleep 600 & echo $! > other\necho $$ > new\n/bin/mv new self\nwait\n")
	cause := errors.New("enough of it")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := nginx.TestConfig(ctx, []string{script}, "/")
		done <- err
	}()
	nginxtest.Eventually(t, "the test runs", func() bool { return nginxtest.Exists(filepath.Join(dir, "self")) })
	self, other := open(t, readPID(t, filepath.Join(dir, "self"))), open(t, readPID(t, filepath.Join(dir, "other")))
	t.Cleanup(func() { _ = other.Signal(9) })
	cancel(cause)
	select {
	case err := <-done:
		if !errors.Is(err, cause) {
			t.Errorf("got %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for what the test has left behind")
	}
	if self.Alive() {
		t.Error("the test still runs")
	}
}

func readPID(t *testing.T, path string) int {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestProblem(t *testing.T) {
	const stamp = "2026/01/02 03:04:05 [notice] 1#1: using inherited sockets\n"
	for output, want := range map[string]string{
		"":     "",
		"\n\n": "",
		"nginx: [warn] x\nnginx: [emerg] bind() failed\nnginx: configuration file /a test failed\n": "nginx: [emerg] bind() failed",
		"nginx: [emerg] first\nnginx: [emerg] second\n":                                             "nginx: [emerg] first",
		stamp + "nginx: [alert] could not open error log file\n":                                    "nginx: [alert] could not open error log file",
		"/x/nginx: error while loading shared libraries: libz.so.1\n":                               "/x/nginx: error while loading shared libraries: libz.so.1",
		"nginx: invalid option: \"e\"\n":                                                            "nginx: invalid option: \"e\"",
		"one\ntwo\nconfiguration file /a test failed\n":                                             "two",
		"\xff\xfe\x00": "\xff\xfe\x00",
	} {
		if got := (nginx.TestResult{Output: output}).Problem(); got != want {
			t.Errorf("%q: got %q", output, got)
		}
	}
}
