package nginx

import (
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
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
	children := make(map[uint32]int)
	for _, uid := range []uint32{0, 65534} {
		cmd := exec.CommandContext(t.Context(), "sleep", "60")
		cmd.Args[0] = "nginx: master process nginx"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		children[uid] = cmd.Process.Pid
	}
	tree, err := ReadTree(ID{PID: os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	is := func(pid int) func(Child) bool { return func(c Child) bool { return c.PID == pid } }
	if successors := tree.Successors(); !slices.ContainsFunc(successors, is(children[0])) || slices.ContainsFunc(successors, is(children[65534])) {
		t.Errorf("successors %v, children %v", successors, children)
	}
	if !slices.ContainsFunc(tree.With(RoleDraining), is(children[65534])) {
		t.Errorf("the other is nothing that is waited for: %v", tree.Children)
	}
}
