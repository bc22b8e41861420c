package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// describe says where and when the figures were measured.
func (m *machine) describe(ctx context.Context) (string, error) {
	out, err := m.run(ctx, `uname -r; . /etc/os-release; echo "$PRETTY_NAME"; /usr/sbin/nginx -v 2>&1 | sed 's,.*/,,'; systemctl --version | sed -n '1s/^systemd \([^ ]*\).*/\1/p'`)
	if err != nil {
		return "", err
	}
	lines := strings.Split(out, "\n")
	if len(lines) != 4 {
		return "", fmt.Errorf("cannot tell where this is: %q", out)
	}
	cpus, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s: %d × %s, Linux %s, %s, nginx %s, systemd %s.", time.Now().UTC().Format(time.DateOnly),
		runtime.NumCPU(), processor(string(cpus)), lines[0], lines[1], lines[2], lines[3]), nil
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
