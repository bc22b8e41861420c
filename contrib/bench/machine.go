package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

const (
	nginxPath   = "/usr/sbin/nginx"
	observePath = "/usr/local/bin/observe"
	siteSocket  = "/run/nginx-hotswap-bench.sock"
	siteURL     = "http://127.0.0.1:8089/"
	// site is one more server in the distribution's configuration.
	site = `server {
    listen 127.0.0.1:8089;
    listen unix:/run/nginx-hotswap-bench.sock;
    server_tokens on;
    access_log off;
    location / { return 200 "it serves\n"; }
}
`
	// settleLimit is for an attach, and for the end of a cycle.
	settleLimit = time.Minute
	statusPoll  = 50 * time.Millisecond
)

// machine is the throwaway machine with everything in it.
type machine struct {
	*box.Box
	dir    string // on the host, for what is built
	landed int    // builds that were put in place
}

// run runs a shell script in the machine and returns its output.
func (m *machine) run(ctx context.Context, script string) (string, error) {
	out, errOut, exit, err := m.Try(ctx, script)
	if err == nil && exit != 0 {
		err = fmt.Errorf("exit status %d: %s", exit, strings.TrimSpace(out+"\n"+errOut))
	}
	if err != nil {
		return out, fmt.Errorf("cannot run %q in the machine: %w", script, err)
	}
	return out, nil
}

// prepare puts the project into the machine and starts nginx and the unit.
func (m *machine) prepare(ctx context.Context) error {
	if err := m.install(ctx); err != nil {
		return err
	}
	if err := m.WriteFile("/etc/nginx/conf.d/nginx-hotswap-bench.conf", []byte(site), 0o644); err != nil {
		return err
	}
	if _, err := m.run(ctx, "systemctl daemon-reload; systemctl restart nginx; systemctl -q enable --now nginx-hotswap"); err != nil {
		return err
	}
	_, err := m.await(ctx, "it does not attach to nginx", func(s supervisor.Status) bool { return s.MainPID != 0 })
	return err
}

// install builds the project and the observer as a user would.
func (m *machine) install(ctx context.Context) error {
	root, err := checkout(ctx)
	if err != nil {
		return err
	}
	observe := filepath.Join(m.dir, "observe")
	for _, argv := range [][]string{
		{"make", "--no-print-directory", "install", "DESTDIR=" + m.Path("/")},
		{"go", "build", "-buildvcs=false", "-o", observe, "./contrib/bench/cmd/observe"},
	} {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("cannot run %s: %w\n%s", strings.Join(argv, " "), err, out)
		}
	}
	return m.CopyIn(observe, observePath)
}

// checkout is the project's directory.
func checkout(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("cannot find the project: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if filepath.Base(mod) != "go.mod" {
		return "", errors.New("run the benchmark in a checkout of the project")
	}
	return filepath.Dir(mod), nil
}

// mainPID is what systemd takes for nginx.
func (m *machine) mainPID(ctx context.Context) (int, error) {
	out, err := m.run(ctx, "systemctl show -P MainPID nginx")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(out)
}

// status asks nginx-hotswap for its one instance.
func (m *machine) status(ctx context.Context) (supervisor.Status, error) {
	out, err := m.run(ctx, "nginx-hotswap status nginx --json")
	if err != nil {
		return supervisor.Status{}, err
	}
	var list []supervisor.Status
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 1 {
		return supervisor.Status{}, fmt.Errorf("cannot read the status: %w: %s", errors.Join(err, errors.New("not one instance")), out)
	}
	return list[0], nil
}

// await waits for a state of the instance.
func (m *machine) await(ctx context.Context, otherwise string, reached func(supervisor.Status) bool) (supervisor.Status, error) {
	limited, cancel := context.WithTimeoutCause(ctx, settleLimit, fmt.Errorf("%s within %v", otherwise, settleLimit))
	defer cancel()
	for {
		s, err := m.status(ctx)
		if err != nil || reached(s) {
			return s, err
		}
		select {
		case <-limited.Done():
			return s, fmt.Errorf("%w; it is in phase %s %s", context.Cause(limited), s.Phase, s.Reason)
		case <-time.After(statusPoll):
		}
	}
}
