package supervisor

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// endingVariable makes the test binary a process that has no binary any more and has
// not ended yet: its first thread is gone and others are not.
const endingVariable = "NGINX_HOTSWAP_TEST_ENDING"

func init() {
	if os.Getenv(endingVariable) != "" {
		// Package initialization runs on the first thread.
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT, 0, 0, 0)
	}
}

// A successor that ends at its start is not another file than what was verified, nor a
// fault of ours: the next look finds it gone and says how it ended.
func TestSuccessorThatEnds(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), endingVariable+"=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	nginxtest.Eventually(t, "it has no binary", func() bool {
		_, err := nginx.HashExe(cmd.Process.Pid)
		return errors.Is(err, fs.ErrNotExist)
	})
	p, err := nginx.Open(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if !p.Alive() {
		t.Fatal("it has ended")
	}
	c := &cycle{rec: &Record{Successor: Generation{SHA256: "1234"}}}
	if ok, err := c.runsCandidate(p); ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
}
