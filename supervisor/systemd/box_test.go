//go:build box

package systemd

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
)

// The test binary plays three parts, told apart by an environment variable: the
// host side, which boots a machine and runs the binary in it; the tests in the
// machine, TestInBox*; and a service in the machine that writes a log.
const (
	partVariable = "NGINX_HOTSWAP_TEST_PART"
	partInBox    = "in-box"
	partLogger   = "logger"

	pidVariable = "NGINX_HOTSWAP_TEST_PID"
	binaryInBox = "/root/systemd.test"
)

func TestMain(m *testing.M) {
	if os.Getenv(partVariable) == partLogger {
		logSamples()
		return
	}
	os.Exit(m.Run())
}

// logSamples is the service that TestInBoxJournal starts.
func logSamples() {
	pid, _ := strconv.Atoi(os.Getenv(pidVariable))
	l := slog.New(NewHandler(slog.LevelInfo))
	l.Log(context.Background(), LevelNotice, "milestone\nof two lines", "OBJECT_PID", pid,
		"MESSAGE_ID", "0123456789abcdef0123456789abcdef", "NGINX_HOTSWAP_DURATION_USEC", 21*time.Millisecond, "old pid", 7)
	l.Info("large", "text", strings.Repeat("x", 1<<20))
}

// TestBox runs the TestInBox tests in a booted machine. The binary must be
// static to run on another release: CGO_ENABLED=0.
func TestBox(t *testing.T) {
	if os.Getenv(partVariable) != "" {
		t.Skip("this is the machine")
	}
	b := box.Start(t, box.Options{Base: box.Base(t)})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.CopyIn(self, binaryInBox); err != nil {
		t.Fatal(err)
	}
	b.Run(t, "systemctl start nginx")
	cmd := b.Command(t.Context(), binaryInBox, "-test.v", "-test.run=^TestInBox", "-test.timeout=5m")
	cmd.Env = append(cmd.Env, partVariable+"="+partInBox)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("in the machine: %v", err)
	}
	if strings.Contains(string(out), "no tests to run") {
		t.Fatal("no test ran in the machine")
	}
}

// inBox skips a test outside the machine.
func inBox(t *testing.T) {
	t.Helper()
	if os.Getenv(partVariable) != partInBox {
		t.Skip("runs in the machine of TestBox")
	}
}

// sh runs a shell script that must succeed and gives its output.
func sh(t *testing.T, script string) string {
	t.Helper()
	out, err := exec.Command("sh", "-euc", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return strings.TrimSpace(string(out))
}

// eventually waits until ok says "" and else fails with what it said last.
func eventually(t *testing.T, ok func() string) {
	t.Helper()
	reason := ""
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if reason = ok(); reason == "" {
			return
		}
	}
	t.Fatal(reason)
}

// dropIn gives a unit a drop-in for the length of a test.
func dropIn(t *testing.T, unit, text string) {
	t.Helper()
	dir := "/run/systemd/system/" + unit + ".d"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := dir + "/" + "50-" + strings.ReplaceAll(t.Name(), "/", "-") + ".conf"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	sh(t, "systemctl daemon-reload")
	t.Cleanup(func() {
		_ = os.Remove(file)
		sh(t, "systemctl daemon-reload")
	})
}
