package systemd

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// serviceVariables are those that PID 1 sets for a service of itself
// (systemd.exec(5), environment variables in spawned processes). A master that
// is started by USR2 gets the old master's environment alone.
var serviceVariables = []string{
	"PATH", "LANG", "USER", "LOGNAME", "HOME", "SHELL", "INVOCATION_ID", "JOURNAL_STREAM", "LOG_NAMESPACE",
	"SYSTEMD_EXEC_PID", "MAINPID", "MANAGERPID", "MANAGERPIDFDID", "MAINPIDFDID", "PIDFILE", "NOTIFY_SOCKET",
	"WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDNAMES", "FDSTORE",
	"RUNTIME_DIRECTORY", "STATE_DIRECTORY", "CACHE_DIRECTORY", "LOGS_DIRECTORY", "CONFIGURATION_DIRECTORY",
	"CREDENTIALS_DIRECTORY", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE", "DEBUG_INVOCATION", "TMPDIR",
	"TERM", "COLORTERM", "NO_COLOR", "XDG_RUNTIME_DIR", "XDG_SESSION_ID", "XDG_SESSION_CLASS",
	"XDG_SESSION_TYPE", "SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS",
}

// environment gives the names in PID 1's own environment block, which every
// service gets (DefaultEnvironment=, systemctl set-environment, locale.conf).
func (m *Manager) environment(ctx context.Context) ([]string, error) {
	v, err := m.get(ctx, busRoot, ifManager, "Environment")
	if err != nil {
		return nil, fmt.Errorf("cannot read the environment of systemd: %w", err)
	}
	block, _ := v.Value().([]string)
	return variableNames(block), nil
}

func variableNames(env []string) []string {
	names := make([]string, len(env))
	for i, e := range env {
		names[i], _, _ = strings.Cut(e, "=")
	}
	return names
}

// unset lists the variables that the command must not have.
func (t *transient) unset() []string {
	given := variableNames(t.command.Env)
	names := slices.Concat(serviceVariables, t.inherited)
	slices.Sort(names)
	names = slices.Compact(names)
	return slices.DeleteFunc(names, func(n string) bool { return slices.Contains(given, n) })
}
