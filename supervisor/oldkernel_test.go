package supervisor_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// TestOldKernel repeats what depends on how a process ended where the kernel does not
// tell: before Linux 6.15 that is known from the error logs.
func TestOldKernel(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.count=1", "-test.parallel=4",
		"-test.run=^Test(KernelTells|Rollback|SuccessorKilled|TakenBackIsLeftAlone|UnitEndsWhileSoaking)$/^(|crash-.*|exit-.*|soaking|draining|stopped.*|killed.*)$")
	cmd.Env = append(os.Environ(), oldKernelEnv+"=yes")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

// TestKernelTells makes sure that the other tests are what they seem to be.
func TestKernelTells(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "/bin/cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := nginx.Open(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.Reaped() {
		t.Error("a process that runs counts as reaped")
	}
	stdin.Close()
	<-p.Exited()
	if p.Reaped() {
		t.Error("a process counts as reaped before its parent has asked for it")
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if !p.Reaped() {
		t.Error("a process does not count as reaped")
	}
	if exit := p.Exit(); exit.Known && os.Getenv(oldKernelEnv) != "" {
		t.Errorf("on an old kernel it %v", exit)
	}
}
