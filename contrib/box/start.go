package box

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// tools maps what [Up] runs on the host to the Debian package that has it.
var tools = map[string]string{
	"systemd-nspawn": "systemd-container",
	"unshare":        "util-linux",
	"nsenter":        "util-linux",
	"mount":          "mount",
}

// Check returns why no machine can be booted on this host by this user, with the
// remedy, or nil.
func Check() error {
	if os.Geteuid() != 0 {
		return errors.New("a box needs root")
	}
	if may, err := maySysAdmin(); err != nil || !may {
		return errors.Join(errors.New("a box needs CAP_SYS_ADMIN: run it on a real machine or in a privileged container"), err)
	}
	for tool, pkg := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("a box needs %s: install %s", tool, pkg)
		}
	}
	_, err := unifiedMount()
	return err
}

// maySysAdmin looks into the effective set of capabilities: CapEff in
// proc_pid_status(5).
func maySysAdmin() (bool, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false, err
	}
	_, after, _ := strings.Cut(string(status), "\nCapEff:")
	line, _, _ := strings.Cut(after, "\n")
	set, err := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	return set&(1<<unix.CAP_SYS_ADMIN) != 0, err
}

// Start boots a machine for a test, and shuts it down when the test ends. Where
// none can be booted the test is skipped with the reason, or fails with it when the
// environment variable CI is set. When the test fails, the end of the machine's
// journal is logged.
func Start(tb testing.TB, o Options) *Box {
	tb.Helper()
	if err := Check(); err != nil {
		unable(tb, err)
	}
	b, err := Up(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			b.logJournal(tb)
		}
		if err := b.Down(); err != nil {
			tb.Error(err)
		}
	})
	return b
}

// unable ends a test that cannot run here: as skipped by a person who lacks
// something, as failed where everything must have run.
func unable(tb testing.TB, reason error) {
	tb.Helper()
	if os.Getenv("CI") != "" {
		tb.Fatal(reason)
	}
	tb.Skip(reason)
}

func (b *Box) logJournal(tb testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), queryLimit)
	defer cancel()
	journal, _, _, err := b.Try(ctx, "journalctl --no-pager --no-hostname -n 80")
	tb.Logf("journal of box %s (%v):\n%s", b.name, err, journal)
}
