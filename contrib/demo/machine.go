package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

const (
	nginxPath = "/usr/sbin/nginx"
	// trafficPath is where the traffic command is put.
	trafficPath = "/usr/local/bin/traffic"
	// dropIn shortens the demo.
	dropIn = "/etc/nginx-hotswap/nginx-hotswap.conf.d/demo.conf"
)

// machine is the throwaway machine in which everything happens.
type machine struct {
	box   *box.Box
	story *story
	site  traffic.Site
	// cursor is the journal entry that was read last.
	cursor string
	// background are the commands that end with the demo.
	background sync.WaitGroup
}

// run runs a shell script in the machine and returns its output.
func (m *machine) run(ctx context.Context, script string) (string, error) {
	out, errOut, exit, err := m.box.Try(ctx, script)
	if err == nil && exit != 0 {
		err = fmt.Errorf("exit status %d: %s", exit, strings.TrimSpace(out+"\n"+errOut))
	}
	if err != nil {
		return out, fmt.Errorf("cannot run %q in the machine: %w", script, err)
	}
	return out, nil
}

// prepare makes the machine one in which nginx runs and is looked after.
func (m *machine) prepare(ctx context.Context) error {
	m.story.step("put nginx-hotswap into it: make install")
	if err := m.install(ctx); err != nil {
		return err
	}
	if err := m.writeSite(ctx); err != nil {
		return err
	}
	m.story.step("start nginx, the distribution's own, then: systemctl enable --now nginx-hotswap")
	m.story.remark("KeepOldSec=10s instead of 2min, so that this ends soon; all other settings are the defaults")
	if err := m.box.WriteFile(dropIn, []byte("[Upgrade]\nKeepOldSec=10s\n"), 0o644); err != nil {
		return err
	}
	if _, err := m.run(ctx, "systemctl daemon-reload; systemctl restart nginx; systemctl -q enable --now nginx-hotswap"); err != nil {
		return err
	}
	return m.awaitAttached(ctx)
}

// install puts the project into the machine as a user would, and the traffic
// command.
func (m *machine) install(ctx context.Context) error {
	root, err := box.Checkout()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "nginx-hotswap-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	built := filepath.Join(dir, "traffic")
	for _, argv := range [][]string{
		{"make", "--no-print-directory", "build"},
		{"make", "--no-print-directory", "install", "DESTDIR=" + m.box.Path("/")},
		{"go", "build", "-buildvcs=false", "-o", built, "./contrib/traffic/cmd/traffic"},
	} {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("cannot run %s: %w\n%s", strings.Join(argv, " "), err, out)
		}
	}
	return m.box.CopyIn(built, trafficPath)
}

// replace installs a build that differs from the running one in its version alone.
func (m *machine) replace(ctx context.Context, version string) error {
	newer := otherVersion(version)
	build, err := os.ReadFile(m.box.Path(nginxPath))
	if err != nil {
		return err
	}
	if build, err = box.PatchVersion(build, version, newer); err != nil {
		return err
	}
	source := "/root/nginx-" + newer
	if err := m.box.WriteFile(source, build, 0o755); err != nil {
		return err
	}
	script := fmt.Sprintf("cp %s %[2]s.new; mv %[2]s.new %[2]s", source, nginxPath)
	m.story.step("install nginx %s: %s", newer, script)
	m.story.remark("Nothing else is done by hand. This is what nginx-hotswap writes to the journal:")
	_, err = m.run(ctx, script)
	return err
}

// otherVersion is as long as the given one, and greater where the last digit
// allows it.
func otherVersion(version string) string {
	last := byte('9')
	if strings.HasSuffix(version, "9") {
		last = '8'
	}
	return version[:len(version)-1] + string(last)
}
