package supervisor

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

// daemonOff is the remedy for a master that runs in the foreground: what makes
// its unit one whose master takes USR2.
func (m *master) daemonOff() string {
	if m.unit == nil {
		return "start it without `daemon off`"
	}
	configured, _ := m.files.ConfiguredPID(m.root)
	return fmt.Sprintf("put this in by `systemctl edit %s`, take `daemon off` out of the configuration if it is there, and restart %s once:\n"+
		"[Service]\nType=forking\nPIDFile=%s\nExecStart=\nExecStart=%s",
		m.unit.Name(), m.unit.Name(), cmp.Or(configured, m.files.PID), commandLine(withoutDaemonOff(m.argv)))
}

// daemonOffDirective is how it is given on a command line.
var daemonOffDirective = regexp.MustCompile(`\s*\bdaemon\s+off\s*;`)

// withoutDaemonOff takes it out of the -g argument of a command line.
func withoutDaemonOff(argv []string) []string {
	var kept []string
	for i := 0; i < len(argv); i++ {
		if argv[i] == "-g" && i+1 < len(argv) {
			i++
			if rest := strings.TrimSpace(daemonOffDirective.ReplaceAllString(argv[i], "")); rest != "" {
				kept = append(kept, "-g", rest)
			}
			continue
		}
		if value, ok := strings.CutPrefix(argv[i], "-g"); ok && value != "" {
			if rest := strings.TrimSpace(daemonOffDirective.ReplaceAllString(value, "")); rest != "" {
				kept = append(kept, "-g"+rest)
			}
			continue
		}
		kept = append(kept, argv[i])
	}
	return kept
}

// commandLine writes arguments as systemd.service(5) reads them.
func commandLine(argv []string) string {
	var words []string
	for _, arg := range argv {
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$").Replace(arg)
		if arg == "" || strings.ContainsAny(arg, " \t\n;'\"") {
			quoted = `"` + quoted + `"`
		}
		words = append(words, quoted)
	}
	return strings.Join(words, " ")
}
