package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// describe learns what the machine consists of.
func (m *machine) describe(ctx context.Context) error {
	out, err := m.run(ctx, `. /etc/os-release; echo "$PRETTY_NAME"; `+nginxPath+` -v 2>&1 | sed 's,.*/,,'; systemctl --version | sed -n '1s/^systemd \([^ ]*\).*/\1/p'`)
	if err != nil {
		return err
	}
	lines := strings.Split(out, "\n")
	if len(lines) != 3 {
		return fmt.Errorf("cannot tell what the machine consists of: %q", out)
	}
	m.name = fmt.Sprintf("%s, nginx %s, systemd %s", lines[0], lines[1], lines[2])
	if !slices.Contains(m.where, m.name) {
		m.where = append(m.where, m.name)
	}
	return nil
}

// place says where and when the figures were measured.
func (b *bench) place() string {
	cpus, _ := os.ReadFile("/proc/cpuinfo") // without it there is the architecture
	var kernel unix.Utsname
	_ = unix.Uname(&kernel)                                                      // does not fail
	release, _, _ := strings.Cut(unix.ByteSliceToString(kernel.Release[:]), "-") // what follows is the machine's own
	return fmt.Sprintf("%s: %d × %s, Linux %s; %s.", time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), processor(string(cpus)),
		release, strings.Join(b.where, "; "))
}

// processor is what /proc/cpuinfo calls the first one.
func processor(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		if key, name, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(name)
		}
	}
	return runtime.GOARCH
}
