package systemd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// outputLimit is how much of a command's output is kept: its first 64 KiB.
const outputLimit = 64 << 10

// Command is a command to run in a transient unit.
type Command struct {
	Argv    []string      // Argv[0] is absolute: the file that is executed
	Dir     string        // working directory; "" is the unit's own, or /
	Env     []string      // KEY=VALUE; all that the command gets, nothing is inherited
	Timeout time.Duration // after this it is killed; 0 is as long as the context lives
}

// Result is what became of a command.
type Result struct {
	Exit    int    // exit status, -1 when a signal ended it
	Signal  int    // the signal that ended it, else 0
	Timeout bool   // it ran longer than Command.Timeout and was killed
	Output  []byte // stdout and stderr in the order of writing, the first 64 KiB
}

// Setup names the step at which systemd failed to start the command ("EXEC",
// "NAMESPACE", "USER", ...; systemd.exec(5), process exit codes), or is "" when
// the command itself ran. It judges by the exit status, which commands share
// with systemd; nginx uses 0 to 2 alone.
func (r Result) Setup() string {
	return setupSteps[r.Exit]
}

var setupSteps = map[int]string{
	200: "CHDIR", 201: "NICE", 202: "FDS", 203: "EXEC", 204: "MEMORY", 205: "LIMITS", 206: "OOM_ADJUST",
	207: "SIGNAL_MASK", 208: "STDIN", 209: "STDOUT", 210: "CHROOT", 211: "IOPRIO", 212: "TIMERSLACK",
	213: "SECUREBITS", 214: "SETSCHEDULER", 215: "CPUAFFINITY", 216: "GROUP", 217: "USER", 218: "CAPABILITIES",
	219: "CGROUP", 220: "SETSID", 221: "CONFIRM", 222: "STDERR", 224: "PAM", 225: "NETWORK", 226: "NAMESPACE",
	227: "NO_NEW_PRIVILEGES", 228: "SECCOMP", 229: "SELINUX_CONTEXT", 230: "PERSONALITY", 231: "APPARMOR",
	232: "ADDRESS_FAMILIES", 233: "RUNTIME_DIRECTORY", 235: "CHOWN", 236: "SMACK_PROCESS_LABEL", 237: "KEYRING",
	238: "STATE_DIRECTORY", 239: "CACHE_DIRECTORY", 240: "LOGS_DIRECTORY", 241: "CONFIGURATION_DIRECTORY",
	242: "NUMA_POLICY", 243: "CREDENTIALS", 244: "BPF",
}

// errLost says that PID 1 closed the connection, as it does at daemon-reexec.
var errLost = errors.New("connection to systemd lost")

// Run runs a command where the unit's own command runs: in a transient unit
// nginx-hotswap-test-*.service that has the unit's sandbox (user, mounts,
// capabilities, limits, /tmp and network namespace), with the command's
// environment alone. A command that fails or is killed is no error; see Result.
// When the context ends first the transient unit is stopped and the error wraps
// the cause. The command must be one that may be repeated: it is, when systemd
// is re-executed in the middle.
func (u *Unit) Run(ctx context.Context, c Command) (Result, error) {
	return run(ctx, u.name, c)
}

// Run runs a command in a plain transient unit; see Unit.Run.
func Run(ctx context.Context, c Command) (Result, error) {
	return run(ctx, "", c)
}

func run(ctx context.Context, unit string, c Command) (Result, error) {
	if len(c.Argv) == 0 || !filepath.IsAbs(c.Argv[0]) {
		return Result{}, fmt.Errorf("cannot run %q: the command needs an absolute path", c.Argv)
	}
	var r Result
	var err error
	for range 3 {
		r, err = runOnce(ctx, unit, c)
		if !errors.Is(err, errLost) {
			break
		}
	}
	if ctx.Err() != nil && err != nil && !errors.Is(err, context.Cause(ctx)) {
		err = fmt.Errorf("%w (%w)", context.Cause(ctx), err) // the bus says only that it was cut off
	}
	if err != nil {
		return Result{}, fmt.Errorf("cannot run %s in a transient unit: %w", c.Argv[0], err)
	}
	return r, nil
}

// runOnce dials, starts, and waits for the end of the unit and of its output.
func runOnce(ctx context.Context, unit string, c Command) (Result, error) {
	m, err := Dial(ctx)
	if err != nil {
		return Result{}, err
	}
	defer m.Close()
	t := &transient{m: m, command: c}
	if unit != "" {
		if t.sandbox, t.flags, err = m.sandbox(ctx, unit); err != nil {
			return Result{}, err
		}
		t.cloneOf = unit
	}
	if t.inherited, err = m.environment(ctx); err != nil {
		return Result{}, err
	}
	out, err := newOutput()
	if err != nil {
		return Result{}, err
	}
	defer out.close()
	if err := t.start(ctx, out.writer()); err != nil {
		return Result{}, err
	}
	out.started()
	r, err := t.wait(ctx)
	if err != nil {
		return Result{}, err
	}
	r.Output = out.bytes()
	return r, nil
}
