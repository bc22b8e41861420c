package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// hostHooks looks at who else would restart nginx, and whether our hooks are in
// the way.
type hostHooks struct {
	root   string // of the file system
	config supervisor.Config
	units  []string // of the instances
	booted bool     // by systemd: nobody restarts anything elsewhere
}

// The places of the hooks, see packaging/nfpm.yaml.
const (
	generatorHook     = "/usr/lib/systemd/system-generators/nginx-hotswap-generator"
	initHook          = "/usr/lib/lsb/init-functions.d/60-nginx-hotswap"
	dpkgTriggers      = "/var/lib/dpkg/triggers/File"
	needrestartScript = "/usr/sbin/needrestart"
	needrestartHooks  = "/etc/needrestart/restart.d"
	initScript        = "/etc/init.d/nginx"

	bringHooks = "apt install ./nginx-hotswap_*.deb # the Debian package has the hooks, `make deb` builds it"
)

func (h hostHooks) path(name string) string { return filepath.Join(h.root, name) }

func (h hostHooks) has(name string) bool {
	_, err := os.Stat(h.path(name))
	return err == nil
}

// runs reports whether there is a program.
func (h hostHooks) runs(name string) bool {
	info, err := os.Stat(h.path(name))
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// scripts looks for packages that restart one of our units when they are
// configured.
func (h hostHooks) scripts() supervisor.Finding {
	found := supervisor.Finding{Check: checkScripts, Level: supervisor.LevelOK, Text: "no package restarts nginx when it is configured"}
	restarts := h.restarting()
	if len(restarts) == 0 || !h.booted {
		return found
	}
	found.Text = strings.Join(restarts, "; ") + " when configured"
	switch {
	case !h.runs(generatorHook):
		found.Level, found.Remedy = supervisor.LevelWarning, bringHooks
		found.Text += ", and nothing holds that off: " + generatorHook + " is not there"
	case !h.config.HoldPackageRestart:
		found.Level = supervisor.LevelWarning
		found.Text += ", which HoldPackageRestart=no lets happen"
		found.Remedy = "remove HoldPackageRestart=no, then: systemctl reload nginx-hotswap"
	default:
		found.Text += ", which is held off"
	}
	return found
}

// restarting says which packages restart which units.
func (h hostHooks) restarting() []string {
	hold := packageHold{info: h.path(dpkgInfo)}
	scripts, err := filepath.Glob(filepath.Join(hold.info, "*."+maintainerScript))
	if err != nil {
		return nil
	}
	var found []string
	for _, script := range scripts {
		name := strings.TrimSuffix(filepath.Base(script), "."+maintainerScript)
		units := hold.restarted(name, h.config)
		slices.Sort(units)
		for _, unit := range slices.Compact(units) {
			found = append(found, fmt.Sprintf("%s restarts %s", name, unit))
		}
	}
	return found
}

// hooks looks whether package runs are told what becomes of the new version.
func (h hostHooks) hooks() supervisor.Finding {
	found := supervisor.Finding{Check: checkHooks, Level: supervisor.LevelOK}
	if !h.has(dpkgInfo) {
		found.Text = "this host has no dpkg; an rpm brings its triggers along"
		return found
	}
	var missing []string
	if !h.triggered() {
		missing = append(missing, "there is no dpkg trigger, so new versions are taken up after the package run, which does not learn of the result")
	}
	if h.has(initScript) && !h.has(initHook) {
		missing = append(missing, initHook+" is not there, so `service nginx upgrade`, which nginx's package calls, swaps masters by itself and is only watched")
	}
	if len(missing) == 0 {
		found.Text = "dpkg trigger and init script hook are in place"
		return found
	}
	found.Level, found.Text, found.Remedy = supervisor.LevelNote, strings.Join(missing, "; "), bringHooks
	return found
}

// triggered reports whether our package is interested in what nginx's brings.
func (h hostHooks) triggered() bool {
	f, err := os.Open(h.path(dpkgTriggers))
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		path, name, _ := strings.Cut(lines.Text(), " ")
		name, _, _ = strings.Cut(name, "/") // the option noawait
		if path == nginxBinaryTrigger && name == "nginx-hotswap" {
			return true
		}
	}
	return false
}

// nginxBinaryTrigger is one of the paths in packaging/nfpm.yaml.
const nginxBinaryTrigger = "/usr/sbin/nginx"

// needrestart looks for its hook for each unit: without one it restarts nginx
// when a library was replaced.
func (h hostHooks) needrestart() supervisor.Finding {
	found := supervisor.Finding{Check: checkNeedrestart, Level: supervisor.LevelOK, Text: "needrestart is not installed"}
	if !h.has(needrestartScript) {
		return found
	}
	var missing, commands []string
	for _, unit := range h.units {
		hook := needrestartHooks + "/" + unit
		if h.runs(hook) {
			continue
		}
		missing = append(missing, unit)
		commands = append(commands, h.hookFor(unit))
	}
	if len(missing) == 0 {
		found.Text = "needrestart calls nginx-hotswap instead of restarting nginx"
		return found
	}
	found.Level, found.Text, found.Remedy = supervisor.LevelWarning, "needrestart restarts "+strings.Join(missing, ", ")+" when a library was replaced", strings.Join(commands, "\n")
	return found
}

// ourNeedrestart is our hook, which a link to it makes that of another unit.
const ourNeedrestart = needrestartHooks + "/nginx.service"

// hookFor is the command that makes needrestart's hook for a unit.
func (h hostHooks) hookFor(unit string) string {
	hook := needrestartHooks + "/" + unit
	if h.runs(ourNeedrestart) {
		return fmt.Sprintf("ln -s nginx.service '%s'", hook)
	}
	const script = `#!/bin/sh\nnginx-hotswap upgrade %[2]s --if-running --origin=needrestart\ncode=$?\n` +
		`[ $code != 7 ] || exec systemctl restart %[2]s\nexit $code\n`
	return fmt.Sprintf("mkdir -p %[1]s && printf '"+script+"' >'%[3]s' && chmod 755 '%[3]s'", needrestartHooks, unit, hook)
}
