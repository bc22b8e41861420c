//go:build box

package main

import (
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// sandboxes are units whose nginx sees other files than we do, or may write to
// fewer, or finds them by another way.
var sandboxes = []struct {
	name, prepare, unit string
	binary              string // where a new one lands, in our view
}{
	{name: "PrivateTmp= ProtectSystem=", unit: "PrivateTmp=yes\nProtectSystem=strict\nReadWritePaths=/run /var/log/nginx /var/lib/nginx\nProtectHome=yes\nPrivateDevices=yes\n", binary: nginxBinary},
	// With a binary, and a configuration, that are not the host's.
	{
		name: "RootDirectory=",
		prepare: `mkdir -p /srv/jail/usr/sbin /srv/jail/usr/lib /srv/jail/usr/share /srv/jail/usr/local /srv/jail/run /srv/jail/var/log /srv/jail/var/lib/nginx /srv/jail/tmp /srv/jail/dev /srv/jail/proc /srv/jail/sys /srv/jail/srv
			ln -s usr/lib /srv/jail/lib; ln -s usr/lib64 /srv/jail/lib64; ln -s usr/sbin /srv/jail/sbin; mkdir -p /srv/jail/usr/lib64
			cp -a /etc /srv/jail/etc; cp -a /srv/site /srv/jail/srv/site; mkdir -p /srv/jail/var/log/nginx; cp /usr/sbin/nginx /srv/jail/usr/sbin/nginx
			rm /etc/nginx/conf.d/site.conf`,
		unit: "RootDirectory=/srv/jail\nMountAPIVFS=yes\nBindReadOnlyPaths=/usr/lib /usr/local /usr/share\n" +
			"BindReadOnlyPaths=-/usr/lib64\nBindPaths=/run\nExecStartPre=\nExecStop=\nKillSignal=SIGQUIT\n",
		binary: "/srv/jail/usr/sbin/nginx",
	},
	// As Fedora from 42 on: the unit goes on to name /usr/sbin/nginx.
	{
		name: "merged /usr/sbin",
		prepare: `cd /usr/sbin; for f in *; do [ -e ../bin/$f ] || mv $f ../bin/; done; mv /usr/sbin /usr/sbin.old; ln -s bin /usr/sbin
			cp -a /srv/jail/etc/nginx/conf.d/site.conf /etc/nginx/conf.d/`,
		binary: "/usr/bin/nginx",
	},
}

// Paths, the configuration test and what is put back are those of the master's
// own view.
func TestBoxSandboxedUnits(t *testing.T) {
	m := boot(t, quickConfig)
	for i, s := range sandboxes {
		t.Run(s.name, func(t *testing.T) {
			m := m.in(t)
			m.sh(s.prepare)
			m.write("/etc/systemd/system/nginx.service.d/sandbox.conf", "[Service]\n"+s.unit)
			m.sh("systemctl daemon-reload && systemctl restart nginx")
			m.eventually("it is attached", func() bool { return m.status().MainPID == m.mainPID() })
			before := m.status()
			load := m.startLoad("kind=new,url=http://127.0.0.1:8080/", "kind=keepalive,url=http://127.0.0.1:8080/")
			m.NewerNginx(t, s.binary, nextVersion(before.Running.Version, 0))
			if after := m.cycleAfter(lastID(before)); after.Last.Result != supervisor.Upgraded || after.MainPID != m.mainPID() {
				t.Errorf("got %+v", after.Last)
			}
			before = m.status()
			badnginx.InBox(t, m.Box, s.binary, badnginx.CrashAtStart, byte('7'+i))
			after := m.cycleAfter(lastID(before))
			load.lossless()
			if after.Last.Result != supervisor.RolledBack || after.Disk.SHA256 != after.Running.SHA256 {
				t.Errorf("got %+v", after)
			}
			m.consistent()
			m.sh("rm /etc/systemd/system/nginx.service.d/sandbox.conf && systemctl daemon-reload")
		})
	}
}
