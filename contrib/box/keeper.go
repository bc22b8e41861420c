package box

import (
	_ "embed"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

//go:embed keeper.sh
var keeperScript string

// hostPath is where the host's own tools are, whatever the caller's PATH says.
const hostPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// keeper is the process that holds a machine's namespaces.
type keeper struct {
	done    chan struct{} // closed when it has been waited for
	console console
}

// unshareCommand runs a script as PID 1 of new PID and mount namespaces. A kill of
// unshare kills all of it.
func unshareCommand(script string, arg ...string) *exec.Cmd {
	args := []string{"--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=KILL", "--mount-proc",
		"sh", "-c", script, "sh"}
	cmd := exec.Command("unshare", append(args, arg...)...)
	cmd.Env = []string{hostPath, "LC_ALL=C.UTF-8"}
	return cmd
}

// startKeeper starts the machine o in the group g: unshare stays in its group keeper,
// the script moves to g itself.
func startKeeper(o Options, g group) (*keeper, error) {
	below, err := g.sub("keeper")
	if err != nil {
		return nil, err
	}
	dir, err := os.Open(string(below))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	k := &keeper{console: console{log: o.Log}}
	cmd := unshareCommand(keeperScript, o.Name, string(g))
	cmd.Dir = o.Base
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd()), Setsid: true}
	if !o.Detach {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
		cmd.Stdout, cmd.Stderr = &k.console, &k.console
		k.done, err = startTied(cmd)
		return k, err
	}
	file, err := createConsole(o.Name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	k.done, err = startTied(cmd)
	return k, err
}

// startTied starts cmd on a thread that ends only after it, so that Pdeathsig ties
// it to this process: it means the death of the thread that forked, see
// PR_SET_PDEATHSIG(2const). done is closed when cmd has been waited for.
func startTied(cmd *exec.Cmd) (done chan struct{}, err error) {
	done = make(chan struct{})
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			// Its status is in cmd.ProcessState.
			_ = cmd.Wait()
		}
		close(done)
	}()
	return done, <-started
}
