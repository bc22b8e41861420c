package supervisor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// testConfig runs `nginx -t` as USR2 would run the candidate: the master's
// arguments and working directory, no environment, and the unit's sandbox.
func (s *Supervisor) testConfig(ctx context.Context, m *master) error {
	return s.testConfigWith(ctx, m, m.binary)
}

// testConfigWith does the same with a binary at another place.
func (s *Supervisor) testConfigWith(ctx context.Context, m *master, binary string) error {
	done, err := s.builds.test(ctx)
	if err != nil {
		return err
	}
	defer done()
	limit := s.instance.Upgrade.TestTimeoutSec
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no end within TestTimeoutSec=%s", FormatTimeSpan(limit)))
	defer cancel()
	result, err := s.runTest(ctx, m, binary, limit)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return &Refusal{ReasonConfigTest, fmt.Sprintf("%s -t could not be carried out: %v", binary, err), "run it by hand"}
	}
	if !result.OK {
		return &Refusal{ReasonConfigTest, fmt.Sprintf("%s -t fails: %s%s", binary, result.Problem(), m.signatures(binary, result.IncompatibleModule())),
			"repair the configuration or install a build that fits it, then run `nginx-hotswap upgrade`"}
	}
	return nil
}

// signatures names those of a binary and of a module that does not fit it.
func (m *master) signatures(binary, module string) string {
	if module == "" {
		return ""
	}
	if !filepath.IsAbs(module) {
		module = filepath.Join(m.cwd, module)
	}
	return fmt.Sprintf(" (the module's signature is %s, the binary's %s)", m.signature(module), m.signature(binary))
}

func (m *master) signature(path string) string {
	f, err := m.root.Open(path)
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	found, err := nginx.Signature(f)
	if err != nil {
		return "unknown"
	}
	return found
}

// runner is what runs a command as the master would, or nil for ourselves. For a
// master without a unit it is systemd, too: our own sandbox can neither write
// its logs nor bind its ports, and a test does both.
func (s *Supervisor) runner(m *master) func(context.Context, systemd.Command) (systemd.Result, error) {
	switch {
	case m.unit != nil:
		return m.unit.Run
	case s.systemd != nil && os.Geteuid() == 0:
		return s.systemd.Run
	}
	return nil
}

func (s *Supervisor) runTest(ctx context.Context, m *master, binary string, limit time.Duration) (nginx.TestResult, error) {
	argv := append([]string(nil), m.argv...)
	argv[0] = binary
	run := s.runner(m)
	if run == nil {
		return nginx.TestConfig(ctx, argv, m.cwd)
	}
	r, err := run(ctx, systemd.Command{Argv: nginx.TestArgv(argv), Dir: m.cwd, Timeout: limit})
	if err != nil {
		return nginx.TestResult{}, err
	}
	if r.Timeout {
		return nginx.TestResult{}, fmt.Errorf("no end within TestTimeoutSec=%s", FormatTimeSpan(limit))
	}
	if step := r.Setup(); step != "" {
		return nginx.TestResult{}, fmt.Errorf("systemd cannot start it as it does the unit's own command (status %d/%s)", r.Exit, step)
	}
	out := string(r.Output)
	if r.Signal != 0 {
		out = fmt.Sprintf("it died by signal %d\n%s", r.Signal, out)
	}
	return nginx.TestResult{OK: r.Exit == 0 && r.Signal == 0, Output: out}, nil
}
