package box

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// upName makes the test binary boot a machine of that name and wait to be killed.
const upName = "BOX_TEST_UP"

func TestMain(m *testing.M) {
	if name := os.Getenv(upName); name != "" {
		upAndWait(name)
	}
	os.Exit(m.Run())
}

func upAndWait(name string) {
	_, err := Up(context.Background(), Options{Name: name})
	fmt.Println(err)
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(1)
}

// However early or late the process that called Up is killed, no process, no mount
// and, after the next Up, no control group is left.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	requireBox(t)
	for name, wait := range map[string]time.Duration{
		"killed-at-start": 0,
		"killed-in-setup": 30 * time.Millisecond,
		"killed-in-boot":  300 * time.Millisecond,
		"killed-when-up":  -1,
	} {
		t.Run(name, func(t *testing.T) {
			killUp(t, name, wait)
			b := groupOf(t, name)
			if !b.ended(time.Minute) {
				t.Fatalf("processes are left in %s", b.group)
			}
			requireNoMounts(t, name)
			unlock, err := groupOf(t, "").group.lock()
			if err != nil {
				t.Fatal(err)
			}
			err = groupOf(t, "").group.sweep()
			unlock()
			if err != nil {
				t.Fatal(err)
			}
			requireGone(t, b)
		})
	}
}

// killUp calls Up in another process and kills that after wait from the moment
// that the machine has a process, or when it is up if wait is negative.
func killUp(t *testing.T, name string, wait time.Duration) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), upName+"="+name)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if wait < 0 {
		if said, err := bufio.NewReader(out).ReadString('\n'); said != "<nil>\n" {
			t.Errorf("Up says %q, %v", said, err)
		}
	} else {
		for b := groupOf(t, name); !b.group.populated(); {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(wait)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
}

// requireGone checks that nothing is left of a machine.
func requireGone(t *testing.T, b *Box) {
	t.Helper()
	if _, err := os.Stat(string(b.group)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("control group is left: %s, %v", b.group, err)
	}
	requireNoMounts(t, b.name)
}

// requireNoMounts looks for the machine's tmpfs in every mount namespace.
func requireNoMounts(t *testing.T, name string) {
	t.Helper()
	tables, err := filepath.Glob("/proc/[0-9]*/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		mounts, err := os.ReadFile(table)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) {
			continue // The process has ended.
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(mounts), " nginx-hotswap-box-"+name+" ") {
			t.Errorf("mounts of box %s are left in %s", name, table)
		}
	}
}
