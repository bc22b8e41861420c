//go:build box

package main

import (
	"testing"
)

// adminAction is something that an administrator does. The script finds the
// pids in $old (systemd's main process when the action begins, or the one that
// is frozen) and $successor.
type adminAction struct {
	name, script string
	// lossless: by itself it loses no request.
	lossless bool
	// loads: the configuration on disk is what has to be in effect afterwards.
	loads bool
	// rotates: logs that were moved away are written anew afterwards.
	rotates bool
	// ends: nothing of nginx may be left behind, until it is started again.
	ends bool
	// dropIn is a part of the unit while it is tried.
	dropIn string
}

const (
	reloadByHUP = "[Service]\nExecReload=\nExecReload=/bin/kill -HUP $MAINPID\n"
	// A master that is killed leaves its unix socket behind.
	unlinkSocket = "[Service]\nExecStartPre=/bin/rm -f /run/site.sock\n"
)

var adminActions = []adminAction{
	{name: "reload", script: "systemctl reload nginx", lossless: true, loads: true},
	{name: "reload by HUP", script: "systemctl reload nginx", lossless: true, loads: true, dropIn: reloadByHUP},
	{name: "restart", script: "systemctl restart nginx"},
	{name: "stop", script: "systemctl stop nginx", ends: true},
	{name: "HUP to old", script: "kill -HUP $old", lossless: true},
	{name: "HUP to successor", script: "kill -HUP $successor", lossless: true},
	{name: "-s reload", script: "nginx -s reload", lossless: true, loads: true},
	{name: "-s quit", script: "nginx -s quit"},
	{name: "-s stop", script: "nginx -s stop"},
	{name: "-s reopen", script: "nginx -s reopen", lossless: true, rotates: true},
	{name: "rotate", script: "invoke-rc.d nginx rotate", lossless: true, rotates: true},
	{name: "daemon-reload", script: "systemctl daemon-reload", lossless: true},
	{name: "daemon-reexec", script: "systemctl daemon-reexec", lossless: true},
	// A process that was killed lives on until it is given a CPU.
	{name: "crash", script: `kill -KILL $old; while s=$(awk '{ print $3 }' /proc/$old/stat 2>/dev/null) && [ "$s" != Z ]; do :; done`, dropIn: unlinkSocket},
	{name: "restart of us", script: "systemctl restart nginx-hotswap", lossless: true},
	{name: "systemctl kill", script: "systemctl kill nginx"},
}

func findAction(t *testing.T, name string) adminAction {
	t.Helper()
	for _, a := range adminActions {
		if a.name == name {
			return a
		}
	}
	t.Fatalf("there is no action %q", name)
	return adminAction{}
}
