//go:build box

package main

import "testing"

// adminUnits are other ways to run nginx than that of Debian, in what matters
// here: who gets which signal, and how systemd finds the main process.
var adminUnits = []struct{ name, dropIn string }{
	{"nginx.org", "ExecReload=\nExecReload=/bin/sh -c \"/bin/kill -s HUP $(/bin/cat /run/nginx.pid)\"\n" +
		"ExecStop=\nExecStop=/bin/sh -c \"/bin/kill -s TERM $(/bin/cat /run/nginx.pid)\"\nKillMode=control-group\n"},
	{"Fedora", "ExecReload=\nExecReload=/usr/sbin/nginx -s reload\nExecStop=\nKillSignal=SIGQUIT\nKillMode=mixed\n"},
	{"KillMode=process", "ExecReload=\nExecReload=/bin/kill -HUP $MAINPID\nExecStop=\nKillMode=process\n"},
	{"no PIDFile=", "PIDFile=\n"},
	{"no PIDFile=, by MAINPID", "PIDFile=\nExecReload=\nExecReload=/bin/kill -HUP $MAINPID\nExecStop=\nExecStop=/bin/kill -QUIT $MAINPID\nKillMode=control-group\n"},
}

// What is asked of the unit is done with every kind of unit.
func TestBoxAdminUnits(t *testing.T) {
	a := newAdmin(t)
	for _, unit := range adminUnits {
		t.Run(unit.name, func(t *testing.T) {
			a.in(t)
			a.write("/etc/systemd/system/nginx.service.d/unit.conf", "[Service]\n"+unit.dropIn)
			a.sh("systemctl daemon-reload; systemctl restart nginx")
			for _, name := range []string{"soaking", "draining"} {
				phase := findPhase(t, name)
				a.configure(adminConfig + phase.config)
				for _, cell := range []adminCell{{findAction(t, "reload"), "u"}, {findAction(t, "restart"), "o"}, {findAction(t, "stop"), "o"}} {
					t.Run(name+"/"+cell.action.name, func(t *testing.T) {
						a.in(t)
						a.cell(phase, cell)
					})
				}
			}
			a.laterUpgrade()
		})
	}
}
