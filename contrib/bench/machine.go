package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

const (
	nginxPath  = "/usr/sbin/nginx"
	dropInPath = "/etc/nginx-hotswap/nginx-hotswap.conf.d/bench.conf"
	// settleLimit is for an attach, and for the end of a cycle.
	settleLimit = time.Minute
	statusPoll  = 50 * time.Millisecond
)

// machine is a throwaway machine with nginx and the tools in it.
type machine struct {
	*box.Box
	*bench
	release      string
	name         string // of its Debian and nginx
	landed       int    // builds that were put in place
	repositories int    // that apt was given
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

// prepare copies the tools and sees to it that nothing happens by itself.
func (m *machine) prepare(ctx context.Context) error {
	for _, tool := range tools {
		name := path.Base(tool)
		if err := m.CopyIn(filepath.Join(m.dir, "tools", name), toolDir+name); err != nil {
			return err
		}
	}
	if _, err := m.run(ctx, "systemctl stop apt-daily.timer apt-daily-upgrade.timer apt-daily.service apt-daily-upgrade.service"); err != nil {
		return err
	}
	return m.describe(ctx)
}

// adopt installs the project as `make install` does and waits until it looks after
// nginx.
func (m *machine) adopt(ctx context.Context, config string) error {
	if err := m.make(ctx, "make", "--no-print-directory", "build"); err != nil {
		return err
	}
	if err := m.make(ctx, "make", "--no-print-directory", "install", "DESTDIR="+m.Path("/")); err != nil {
		return err
	}
	if err := m.WriteFile(dropInPath, []byte(config), 0o644); err != nil {
		return err
	}
	if _, err := m.run(ctx, "systemctl daemon-reload; systemctl restart nginx; systemctl -q enable --now nginx-hotswap"); err != nil {
		return err
	}
	return m.attached(ctx)
}

// attached waits until nginx-hotswap looks after the nginx that runs.
func (m *machine) attached(ctx context.Context) error {
	pid, err := m.mainPID(ctx)
	if err != nil {
		return err
	}
	_, err = m.await(ctx, "it does not attach to nginx", func(s supervisor.Status) bool { return s.MainPID == pid })
	return err
}

// mainPID is what systemd takes for nginx.
func (m *machine) mainPID(ctx context.Context) (int, error) { return m.unitPID(ctx, "nginx") }

// unitPID is the main process of a unit.
func (m *machine) unitPID(ctx context.Context, unit string) (int, error) {
	out, err := m.run(ctx, "systemctl show -P MainPID "+unit)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(out)
}

// statuses asks nginx-hotswap for all instances.
func (m *machine) statuses(ctx context.Context) (list []supervisor.Status, err error) {
	out, err := m.Status(ctx)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, fmt.Errorf("cannot read the status: %w: %s", err, out)
	}
	return list, nil
}

// status asks nginx-hotswap for its one instance.
func (m *machine) status(ctx context.Context) (supervisor.Status, error) {
	list, err := m.statuses(ctx)
	if err == nil && len(list) != 1 {
		err = fmt.Errorf("there are %d instances instead of one", len(list))
	}
	if err != nil {
		return supervisor.Status{}, err
	}
	return list[0], nil
}

// await waits for a state of the instance.
func (m *machine) await(ctx context.Context, otherwise string, reached func(supervisor.Status) bool) (supervisor.Status, error) {
	var s supervisor.Status
	err := poll(ctx, otherwise, func() (done bool, err error) {
		s, err = m.status(ctx)
		return err == nil && reached(s), err
	})
	if err != nil {
		err = errors.Join(err, fmt.Errorf("it is in phase %s %s", s.Phase, s.Reason))
	}
	return s, err
}

// newest is the record of the cycle that ended last, or nil. It is read from
// outside: a command in the machine costs as much as clients notice.
func (m *machine) newest() *supervisor.Record {
	return supervisor.Store{State: m.Path(supervisor.StateDirectory)}.Last("nginx")
}

// ended waits for the end of the cycle that came after the given one, or first
// after nil, and returns its record.
func (m *machine) ended(ctx context.Context, before *supervisor.Record) (*supervisor.Record, error) {
	var rec *supervisor.Record
	if err := poll(ctx, "the cycle does not end", func() (bool, error) {
		rec = m.newest()
		return rec != nil && (before == nil || rec.ID != before.ID), nil
	}); err != nil {
		return nil, err
	}
	_, err := m.await(ctx, "nginx-hotswap does not look after what the cycle left", func(s supervisor.Status) bool {
		return s.Phase == supervisor.Idle && s.MainPID != 0 && len(s.Masters) == 1
	})
	return rec, err
}

// upgraded is ended with success.
func (m *machine) upgraded(ctx context.Context, before *supervisor.Record) (*supervisor.Record, error) {
	return m.endedWith(ctx, before, supervisor.Upgraded)
}

// endedWith is ended with a result.
func (m *machine) endedWith(ctx context.Context, before *supervisor.Record, result supervisor.Result) (*supervisor.Record, error) {
	rec, err := m.ended(ctx, before)
	if err == nil && rec.Result != result {
		err = fmt.Errorf("cycle %s ends %s: %s", rec.ID, rec.Result, rec.Reason)
	}
	return rec, err
}

// poll waits until something holds.
func poll(ctx context.Context, otherwise string, holds func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settleLimit, fmt.Errorf("%s within %v", otherwise, settleLimit))
	defer cancel()
	for {
		done, err := holds()
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(statusPoll):
		}
	}
}
