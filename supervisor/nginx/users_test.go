package nginx

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestParseUsers(t *testing.T) {
	for status, want := range map[string]Users{
		"Name:\tnginx\nUid:\t0\t0\t0\t0\nGid:\t1\t1\t1\t1\n": {},
		"Uid:\t33\t0\t0\t4294967295":                         {33, 0, 0, 1<<32 - 1},
	} {
		if got, err := ParseUsers([]byte(status)); err != nil || got != want {
			t.Errorf("%q: %v, %v", status, got, err)
		}
	}
	for _, status := range []string{"", "Uid:", "Uid:\t0\t0\t0\n", "Uid:\t0\t0\t0\t0\t0\n", "Uid:\t0\t0\t0\t-1\n", "Uid:\t0\t0\t0\t4294967296\n", "xUid:\t0\t0\t0\t0\n"} {
		if got, err := ParseUsers([]byte(status)); err == nil {
			t.Errorf("%q: %v", status, got)
		}
	}
}

// A worker that somebody has broken into may execute what it likes; it has not
// become a successor by that.
func TestExecutedByAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run a process as another user")
	}
	const script = "sleep 60 & echo $!; setpriv --reuid=65534 --clear-groups sleep 60 & echo $!; wait"
	master := exec.CommandContext(t.Context(), "sh", "-c", script)
	out, err := master.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := master.Start(); err != nil {
		t.Fatal(err)
	}
	var ours, others int
	if _, err := fmt.Fscan(out, &ours, &others); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, pid := range []int{ours, others, master.Process.Pid} {
			unix.Kill(pid, unix.SIGKILL)
		}
		master.Wait()
	})
	is := func(pid int) func(Child) bool { return func(c Child) bool { return c.PID == pid } }
	// Each is a shell for an instant, and setpriv for another.
	var tree Tree
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if tree, err = ReadTree(ID{PID: master.Process.Pid}); err != nil {
			t.Fatal(err)
		}
		if successors := tree.Successors(); len(successors) == 1 && is(ours)(successors[0]) && slices.ContainsFunc(tree.With(RoleDraining), is(others)) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d and the other user's %d are %v", ours, others, tree.Children)
		}
	}
}
