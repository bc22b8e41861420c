package supervisor

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWithoutDaemonOff(t *testing.T) {
	for line, argv := range map[string][]string{
		`/usr/sbin/nginx`:                         {"/usr/sbin/nginx", "-g", "daemon off;"},
		`/usr/sbin/nginx -g "master_process on;"`: {"/usr/sbin/nginx", "-g", "daemon off; master_process on;"},
		`/usr/sbin/nginx -g "pid /run/n.pid;"`:    {"/usr/sbin/nginx", "-g", "pid /run/n.pid; daemon  off ;"},
		`nginx -c /etc/n.conf`:                    {"nginx", "-c", "/etc/n.conf", "-gdaemon off;"},
		`nginx -c "/etc/my nginx.conf"`:           {"nginx", "-c", "/etc/my nginx.conf"},
		`nginx -g "set $$x 100%%;"`:               {"nginx", "-g", "daemon off; set $x 100%;"},
		`nginx -g`:                                {"nginx", "-g"},
	} {
		if diff := cmp.Diff(line, commandLine(withoutDaemonOff(argv))); diff != "" {
			t.Errorf("%q: %s", argv, diff)
		}
	}
}
